//! A message written down as JSON, for trying conditions on it.
//!
//! The form is that of the hub's own route tests: `body`, `appProperties` and
//! `systemProperties`. A body is JSON, or a string that holds what the device sent.

use serde_json::{Map, Value as Json};

use super::body::read_body;
use super::row::RouteRow;
use crate::number::Number;
use crate::value::Value;

/// A message with its sender's twin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    application: Vec<(String, Option<String>)>,
    system: Vec<(String, Option<String>)>,
    body: Option<Json>,
    twin: Option<Json>,
}

/// A file that is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error(
        "the message is not an object, write {{\"message\": {{\"body\": …, \"appProperties\": {{}}, \"systemProperties\": {{}}}}}}"
    )]
    NotAnObject,
    #[error("the message has no key {key}, only body, appProperties, systemProperties and twin")]
    UnknownKey { key: String },
    #[error("{part} is not an object, write {{\"name\": \"value\"}}")]
    NotProperties { part: &'static str },
    #[error("the value of {name} in {part} is a list or an object, properties are strings")]
    NotAString { part: &'static str, name: String },
}

const BODY: &str = "body";
const APPLICATION: &str = "appProperties";
const SYSTEM: &str = "systemProperties";
const TWIN: &str = "twin";

impl Message {
    /// Reads `{"message": {"body", "appProperties", "systemProperties"}, "twin"}`, or what stands
    /// under `message` alone. Everything may be missing.
    pub fn from_json(json: &Json) -> Result<Self, MessageError> {
        let outer = json.as_object().ok_or(MessageError::NotAnObject)?;
        let inner = match outer.get("message") {
            Some(message) => {
                check_keys(outer, &["message", TWIN])?;
                message.as_object().ok_or(MessageError::NotAnObject)?
            }
            None => outer,
        };
        check_keys(inner, &[BODY, APPLICATION, SYSTEM, TWIN])?;
        let application = properties(inner, APPLICATION)?;
        let system = properties(inner, SYSTEM)?;
        let mut message = Self { application, system, body: None, twin: None };
        message.body = inner.get(BODY).and_then(|body| message.readable(body));
        message.twin = outer.get(TWIN).or(inner.get(TWIN)).cloned();
        Ok(message)
    }

    /// The body that a message with these system properties would have.
    fn readable(&self, body: &Json) -> Option<Json> {
        let text = |name: &str| find(&self.system, name).and_then(|value| value.as_deref());
        let encoding = text("contentEncoding")?;
        let bytes = match body {
            Json::String(sent) => encode(sent, encoding),
            other => encode(&other.to_string(), encoding),
        };
        read_body(text("contentType"), Some(encoding), &bytes)
    }
}

fn encode(text: &str, encoding: &str) -> Vec<u8> {
    if encoding.eq_ignore_ascii_case("utf-16") {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else if encoding.eq_ignore_ascii_case("utf-32") {
        text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
    } else {
        text.as_bytes().to_vec()
    }
}

fn check_keys(object: &Map<String, Json>, known: &[&str]) -> Result<(), MessageError> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(MessageError::UnknownKey { key: crate::error::quote(key) }),
        None => Ok(()),
    }
}

/// Numbers and booleans become the text that a device would have sent.
fn properties(
    message: &Map<String, Json>,
    part: &'static str,
) -> Result<Vec<(String, Option<String>)>, MessageError> {
    let Some(properties) = message.get(part) else { return Ok(Vec::new()) };
    let properties = properties.as_object().ok_or(MessageError::NotProperties { part })?;
    let text = |(name, value): (&String, &Json)| {
        let value = match value {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            Json::Bool(value) => Some(value.to_string()),
            Json::Number(number) => {
                Some(Number::from_json(number).map_or(number.to_string(), |n| n.to_string()))
            }
            Json::Array(_) | Json::Object(_) => {
                return Err(MessageError::NotAString { part, name: crate::error::quote(name) });
            }
        };
        Ok((name.clone(), value))
    };
    properties.iter().map(text).collect()
}

fn find<'a>(properties: &'a [(String, Option<String>)], name: &str) -> Option<&'a Option<String>> {
    let same = |known: &str| {
        known.chars().flat_map(char::to_lowercase).eq(name.chars().flat_map(char::to_lowercase))
    };
    properties.iter().find(|(known, _)| same(known)).map(|(_, value)| value)
}

fn value_of<'a>(properties: &'a [(String, Option<String>)], name: &str) -> Value<'a> {
    match find(properties, name) {
        Some(Some(text)) => Value::string(text.as_str()),
        Some(None) => Value::Null,
        None => Value::Undefined,
    }
}

impl RouteRow for Message {
    fn application(&self, name: &str) -> Value<'_> {
        value_of(&self.application, name)
    }

    fn system(&self, name: &str) -> Value<'_> {
        value_of(&self.system, name)
    }

    fn body(&self) -> Option<&Json> {
        self.body.as_ref()
    }

    fn twin(&self) -> Option<&Json> {
        self.twin.as_ref()
    }
}
