//! A message written down as JSON, for trying conditions on it.
//!
//! The form is that of the hub's own route tests: `body`, `appProperties` and
//! `systemProperties`. A body is JSON, or a string that holds what the device sent.

use serde_json::{Map, Value as Json};

use super::body::{Encoding, Unread, encoding_of, parse};
use super::name::same_name;
use super::row::RouteRow;
use super::source::Origin;
use crate::value::Value;

/// A message with its sender's twin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    application: Vec<(String, Option<String>)>,
    system: Vec<(String, Option<String>)>,
    body: Option<Json>,
    unread: Option<Unread>,
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

const TWIN_CHANGE: &str = "twinChangeNotification";

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
        let twin = outer.get(TWIN).or(inner.get(TWIN)).cloned();
        let mut message = Self { application, system, body: None, unread: None, twin };
        if let Some(body) = inner.get(BODY) {
            message.take_body(body);
        }
        Ok(message)
    }

    /// Where an edge would say that it comes from: `connectionModuleId` and `outputName` among
    /// the system properties, `iothub-message-schema` or `messageType` for changes of twins.
    pub fn origin(&self) -> Origin<'_> {
        let kind = text(&self.application, "iothub-message-schema").or(text(&self.system, "messageType"));
        if kind.is_some_and(|kind| kind.eq_ignore_ascii_case(TWIN_CHANGE)) {
            return Origin::TwinChange;
        }
        Origin::telemetry(text(&self.system, "connectionModuleId"), text(&self.system, "outputName"))
    }

    /// Why nothing can look into the body, if there is one and nothing can.
    pub fn unread(&self) -> Option<Unread> {
        self.unread
    }

    /// The body as a message with these system properties would bring it: only the encoding of
    /// its text is not tried, it has none here.
    fn take_body(&mut self, body: &Json) {
        let (kind, encoding) = (text(&self.system, "contentType"), text(&self.system, "contentEncoding"));
        let read = encoding_of(kind, encoding).and_then(|_| match body {
            Json::String(sent) => parse(Encoding::Utf8, sent.as_bytes()),
            other => Ok(other.clone()),
        });
        match read {
            Ok(body) => self.body = Some(body),
            Err(unread) => self.unread = Some(unread),
        }
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
            Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
            Json::Array(_) | Json::Object(_) => {
                return Err(MessageError::NotAString { part, name: crate::error::quote(name) });
            }
        };
        Ok((name.clone(), value))
    };
    properties.iter().map(text).collect()
}

fn find<'a>(properties: &'a [(String, Option<String>)], name: &str) -> Option<&'a Option<String>> {
    properties.iter().find(|(known, _)| same_name(known, name)).map(|(_, value)| value)
}

fn text<'a>(properties: &'a [(String, Option<String>)], name: &str) -> Option<&'a str> {
    find(properties, name).and_then(|value| value.as_deref())
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
