//! A value as part of a group's key: owned, with a total order.

use std::cmp::Ordering;

use serde_json::Value as Json;

use crate::number::Number;
use crate::value::Value;

/// The order of groups: missing, null, false, true, numbers, strings, arrays and objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Undefined,
    Null,
    Bool(bool),
    /// Whole doubles as integers, so that a group of `1` and `1.0` shows itself in one way.
    Number(Number),
    String(String),
    Compound(Compound),
}

/// An array or object, ordered by its text; members in order of their names, so that the order
/// in which they were written makes no difference.
#[derive(Clone, Debug)]
pub(super) struct Compound {
    text: String,
    value: Json,
}

impl Key {
    pub(super) fn new(value: Value<'_>) -> Self {
        match value {
            Value::Undefined => Key::Undefined,
            Value::Null => Key::Null,
            Value::Bool(value) => Key::Bool(value),
            Value::Number(number) => Key::Number(number.as_whole().map_or(number, Number::from_int)),
            Value::String(text) => Key::String(text.into_owned()),
            Value::Array(items) => Key::compound(Json::Array(items.into_owned())),
            Value::Object(members) => Key::compound(Json::Object(members.into_owned())),
        }
    }

    fn compound(mut value: Json) -> Self {
        value.sort_all_objects();
        Key::Compound(Compound { text: value.to_string(), value })
    }

    /// None for what is not there.
    pub(super) fn to_json(&self) -> Option<Json> {
        match self {
            Key::Undefined => None,
            Key::Null => Some(Json::Null),
            Key::Bool(value) => Some(Json::Bool(*value)),
            Key::Number(number) => number.to_json().map(Json::Number),
            Key::String(text) => Some(Json::String(text.clone())),
            Key::Compound(compound) => Some(compound.value.clone()),
        }
    }

    /// About how much memory it keeps.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Key::String(text) => text.len(),
                // The tree takes a few times its text.
                Key::Compound(compound) => compound.text.len().saturating_mul(8),
                _ => 0,
            }
    }
}

impl Ord for Compound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl PartialOrd for Compound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Compound {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Compound {}
