//! What an expression gives: the kinds of JSON, and undefined for what is not there.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::number::Number;
use crate::syntax::{Literal, Step};

/// A value during evaluation. It borrows from the row or the query where it can; a row that
/// makes a value on the spot gives an owned one.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// Nothing there, or the result of an operation that makes no sense.
    Undefined,
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Cow<'a, [Json]>),
    Object(Cow<'a, Map<String, Json>>),
}

impl<'a> Value<'a> {
    pub fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Value::String(text.into())
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined)
    }

    /// What logic sees: anything but a boolean is undefined.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn of_bool(value: Option<bool>) -> Self {
        value.map_or(Value::Undefined, Value::Bool)
    }

    pub(crate) fn of_number(value: Option<Number>) -> Self {
        value.map_or(Value::Undefined, Value::Number)
    }

    pub(crate) fn of_literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Undefined => Value::Undefined,
            Literal::Null => Value::Null,
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Number(number) => Value::Number(*number),
            Literal::String(text) => Value::String(Cow::Borrowed(text)),
        }
    }

    /// As JSON; none if undefined.
    pub fn into_json(self) -> Option<Json> {
        match self {
            Value::Undefined => None,
            Value::Null => Some(Json::Null),
            Value::Bool(value) => Some(Json::Bool(value)),
            Value::Number(number) => number.to_json().map(Json::Number),
            Value::String(text) => Some(Json::String(text.into_owned())),
            Value::Array(items) => Some(Json::Array(items.into_owned())),
            Value::Object(members) => Some(Json::Object(members.into_owned())),
        }
    }

    /// What `steps` lead to, starting in `json`. Rows use it below the part they know.
    pub fn at(json: &'a Json, steps: &[Step]) -> Self {
        let mut here = json;
        for step in steps {
            let below = match (step, here) {
                (Step::Name(name), Json::Object(members)) => members.get(name),
                (Step::Index(index), Json::Array(items)) => items.get(*index),
                _ => None,
            };
            match below {
                Some(below) => here = below,
                None => return Value::Undefined,
            }
        }
        Value::from(here)
    }
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::of_number(Number::from_json(number)),
            Json::String(text) => Value::String(Cow::Borrowed(text)),
            Json::Array(items) => Value::Array(Cow::Borrowed(items)),
            Json::Object(members) => Value::Object(Cow::Borrowed(members)),
        }
    }
}

impl From<Json> for Value<'_> {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => Value::of_number(Number::from_json(&number)),
            Json::String(text) => Value::String(Cow::Owned(text)),
            Json::Array(items) => Value::Array(Cow::Owned(items)),
            Json::Object(members) => Value::Object(Cow::Owned(members)),
        }
    }
}
