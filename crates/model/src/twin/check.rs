//! What a twin section may hold: sizes, depth, keys, numbers.

use serde_json::{Map, Value};

use crate::limits::{
    DESIRED_BYTES_MAX, REPORTED_BYTES_MAX, TAGS_BYTES_MAX, TWIN_DEPTH_MAX, TWIN_INTEGER_BOUND,
    TWIN_KEY_BYTES_MAX, TWIN_STRING_BYTES_MAX,
};

/// The three sections of a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionName {
    Tags,
    Desired,
    Reported,
}

impl SectionName {
    pub fn as_str(self) -> &'static str {
        match self {
            SectionName::Tags => "tags",
            SectionName::Desired => "desired properties",
            SectionName::Reported => "reported properties",
        }
    }

    pub fn bytes_max(self) -> usize {
        match self {
            SectionName::Tags => TAGS_BYTES_MAX,
            SectionName::Desired => DESIRED_BYTES_MAX,
            SectionName::Reported => REPORTED_BYTES_MAX,
        }
    }
}

/// Why a section cannot be accepted. `path` says where, with dots between keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    #[error("the {section} would take {bytes} bytes, at most {bytes_max} are allowed")]
    Size { section: &'static str, bytes: usize, bytes_max: usize },
    #[error("{path} is nested deeper than {TWIN_DEPTH_MAX} levels")]
    Depth { path: String },
    #[error(
        "the key {key:?} below {path:?} holds {found:?}, keys take no control characters, dots, dollar signs or spaces"
    )]
    Key { path: String, key: String, found: char },
    #[error("a key below {path:?} is empty")]
    EmptyKey { path: String },
    #[error("a key below {path:?} has {bytes} bytes, at most {TWIN_KEY_BYTES_MAX} are allowed")]
    KeySize { path: String, bytes: usize },
    #[error("{path} is a string of {bytes} bytes, at most {TWIN_STRING_BYTES_MAX} are allowed")]
    StringSize { path: String, bytes: usize },
    #[error(
        "{path} is the integer {found}, the range is -{TWIN_INTEGER_BOUND} to {TWIN_INTEGER_BOUND} exclusive"
    )]
    Integer { path: String, found: String },
    #[error("{path} must be a JSON object")]
    NotAnObject { path: String },
}

/// Checks a patch of reported properties, and what it makes of them.
pub fn check_report(sent: &Map<String, Value>, merged: &Map<String, Value>) -> Result<(), TwinError> {
    patch(SectionName::Reported, sent)?;
    size(SectionName::Reported, merged)
}

/// Checks what a client sent for a section: keys, depth, strings and numbers.
pub(super) fn patch(section: SectionName, object: &Map<String, Value>) -> Result<(), TwinError> {
    let mut path = Path { names: vec![section.as_str()] };
    check_object(&mut path, object, 0)
}

/// Checks the size of a section as it would become.
pub(super) fn size(section: SectionName, object: &Map<String, Value>) -> Result<(), TwinError> {
    let (bytes, bytes_max) = (section_bytes(object), section.bytes_max());
    if bytes > bytes_max {
        return Err(TwinError::Size { section: section.as_str(), bytes, bytes_max });
    }
    Ok(())
}

/// The size of a section as limits count it: keys and strings by their UTF-8 bytes without control
/// characters, numbers 8, booleans 4, null nothing; structure is free.
pub fn section_bytes(object: &Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| text_bytes(key) + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text_bytes(text),
        Value::Array(items) => items.iter().map(value_bytes).sum(),
        Value::Object(object) => section_bytes(object),
    }
}

fn text_bytes(text: &str) -> usize {
    text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum()
}

struct Path<'a> {
    names: Vec<&'a str>,
}

impl Path<'_> {
    fn text(&self) -> String {
        let full = self.names.join(".");
        if full.chars().count() > 200 { full.chars().take(200).chain("…".chars()).collect() } else { full }
    }
}

fn check_object<'a>(
    path: &mut Path<'a>,
    object: &'a Map<String, Value>,
    depth: usize,
) -> Result<(), TwinError> {
    if depth > TWIN_DEPTH_MAX {
        return Err(TwinError::Depth { path: path.text() });
    }
    for (key, value) in object {
        check_key(path, key)?;
        path.names.push(key);
        check_value(path, value, depth)?;
        path.names.pop();
    }
    Ok(())
}

fn check_value<'a>(path: &mut Path<'a>, value: &'a Value, depth: usize) -> Result<(), TwinError> {
    match value {
        Value::Object(object) => check_object(path, object, depth + 1),
        Value::Array(items) => {
            if depth + 1 > TWIN_DEPTH_MAX {
                return Err(TwinError::Depth { path: path.text() });
            }
            items.iter().try_for_each(|item| check_value(path, item, depth + 1))
        }
        Value::String(text) if text.len() > TWIN_STRING_BYTES_MAX => {
            Err(TwinError::StringSize { path: path.text(), bytes: text.len() })
        }
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            let inside =
                number.as_i64().is_some_and(|n| (-TWIN_INTEGER_BOUND..TWIN_INTEGER_BOUND).contains(&n));
            if inside {
                return Ok(());
            }
            Err(TwinError::Integer { path: path.text(), found: number.to_string() })
        }
        _ => Ok(()),
    }
}

fn check_key(path: &Path<'_>, key: &str) -> Result<(), TwinError> {
    if key.is_empty() {
        return Err(TwinError::EmptyKey { path: path.text() });
    }
    if key.len() > TWIN_KEY_BYTES_MAX {
        return Err(TwinError::KeySize { path: path.text(), bytes: key.len() });
    }
    if let Some(found) = key.chars().find(|c| c.is_control() || matches!(c, '.' | '$' | ' ')) {
        let key = key.chars().take(64).collect();
        return Err(TwinError::Key { path: path.text(), key, found });
    }
    Ok(())
}
