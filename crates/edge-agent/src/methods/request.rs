//! What all requests have in common.

use serde_json::{Map, Value};

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Refusal {
    /// The caller's fault.
    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { status: 500, message: message.into() }
    }
}

/// An object with a `schemaVersion` of major 1.
pub(super) fn read(payload: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let request = match serde_json::from_slice(payload) {
        Ok(Value::Object(request)) => request,
        Ok(_) => return Err(Refusal::wrong("the payload must be a JSON object")),
        Err(error) => return Err(Refusal::wrong(format!("the payload is no JSON: {error}"))),
    };
    let version = match get(&request, "schemaVersion") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(Refusal::wrong("schemaVersion is missing, write 1.0")),
    };
    match version.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
        Some(1) => Ok(request),
        _ => Err(Refusal::wrong(format!("schemaVersion {version:?} is not supported, write 1.0"))),
    }
}

pub(super) fn get<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let exact = members.get(key);
    let found =
        exact.or_else(|| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, v)| v));
    found.filter(|value| !value.is_null())
}

pub(super) fn text(members: &Map<String, Value>, key: &str) -> Result<String, Refusal> {
    let text = optional_text(members, key)?.filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| Refusal::wrong(format!("{key} is missing")))
}

pub(super) fn optional_text(members: &Map<String, Value>, key: &str) -> Result<Option<String>, Refusal> {
    match get(members, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        // Seconds since 1970 are often written as a number.
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(Refusal::wrong(format!("{key} is {other}, and must be a text"))),
    }
}

pub(super) fn optional_number(members: &Map<String, Value>, key: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = get(members, key) else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.map(Some).ok_or_else(|| Refusal::wrong(format!("{key} is {value}, and must be a number from 0")))
}

/// One of a few words, in any case; the first is the default.
pub(super) fn word(
    members: &Map<String, Value>,
    key: &str,
    words: &[&'static str],
) -> Result<&'static str, Refusal> {
    let Some(text) = optional_text(members, key)? else { return Ok(words[0]) };
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(&text));
    found
        .copied()
        .ok_or_else(|| Refusal::wrong(format!("{key} is {text:?}, and none of {}", words.join(", "))))
}
