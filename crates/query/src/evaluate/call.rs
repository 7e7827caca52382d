//! The functions. An undefined argument, one of the wrong kind, or one out of range makes the
//! result undefined; `IS_DEFINED` alone has an answer for everything. In routes the other
//! questions about kinds answer false about an application property that is not there.
//!
//! Positions and lengths in strings count code points.

use std::borrow::Cow;

use super::arithmetic::multiply;
use super::compare::compare;
use crate::dialect::Dialect;
use crate::limits::BUILT_STRING_BYTES_MAX;
use crate::number::{Floats, Number};
use crate::syntax::{Comparison, Expr, Function};
use crate::value::Value;

pub(super) fn call<'a>(function: Function, arguments: Vec<Value<'a>>, dialect: Dialect) -> Value<'a> {
    if function != Function::IsDefined && arguments.iter().any(Value::is_undefined) {
        return Value::Undefined;
    }
    if function == Function::Concat {
        return concat(&arguments, dialect);
    }
    let mut arguments = arguments.into_iter();
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(only), None, None) => unary(function, only, dialect),
        (Some(first), Some(second), None) => binary(function, first, &second, dialect),
        (Some(Value::String(text)), Some(start), Some(length)) if function == Function::Substring => {
            substring(text, &start, Some(&length), dialect)
        }
        _ => Value::Undefined,
    }
}

/// What a question about the kind of a value of a route says when it is undefined. Whether an
/// application property is a number has an answer without the property; what a body would have
/// held that cannot be read is unknown.
pub(super) fn kind_of_undefined(function: Function, argument: &Expr) -> Option<bool> {
    match function {
        Function::IsNumber | Function::IsString => Some(false),
        Function::IsNull => (!argument.is_dynamic()).then_some(false),
        Function::IsBool => (!argument.is_dynamic() && !argument.is_condition()).then_some(false),
        _ => None,
    }
}

fn unary(function: Function, value: Value<'_>, dialect: Dialect) -> Value<'_> {
    match (function, value) {
        (Function::IsDefined, value) => Value::Bool(!value.is_undefined()),
        (Function::IsArray, value) => Value::Bool(matches!(value, Value::Array(_))),
        (Function::IsBool, value) => Value::Bool(matches!(value, Value::Bool(_))),
        (Function::IsNull, value) => Value::Bool(matches!(value, Value::Null)),
        (Function::IsNumber, Value::Number(number)) => Value::Bool(number.is_finite()),
        (Function::IsNumber, _) => Value::Bool(false),
        (Function::IsObject, value) => Value::Bool(matches!(value, Value::Object(_))),
        (Function::IsPrimitive, value) => Value::Bool(!matches!(value, Value::Array(_) | Value::Object(_))),
        (Function::IsString, value) => Value::Bool(matches!(value, Value::String(_))),
        // Asking whether a change has a path is all there is to it.
        (Function::TwinChangeIncludes, value) => value,
        (Function::AsNumber, Value::String(text)) if dialect.is_route() => {
            Value::of_number(Number::from_loose_text(&text))
        }
        (Function::AsNumber, Value::String(text)) => Value::of_number(Number::from_text(&text)),
        (Function::AsNumber, number @ Value::Number(_)) => number,
        (Function::Length, Value::String(text)) => Value::Number(count(text.chars().count())),
        (Function::Lower, Value::String(text)) => built(text.to_lowercase()),
        (Function::Upper, Value::String(text)) => built(text.to_uppercase()),
        (function, Value::Number(number)) => Value::of_number(numeric(function, number, dialect.floats())),
        _ => Value::Undefined,
    }
}

fn numeric(function: Function, number: Number, floats: Floats) -> Option<Number> {
    let float = number.as_f64();
    match (function, number.as_int()) {
        (Function::Abs, Some(int)) => Some(Number::from_int(int.abs())),
        (Function::Abs, None) => floats(float.abs()),
        (Function::Ceiling | Function::Floor, Some(_)) => Some(number),
        (Function::Ceiling, None) => floats(float.ceil()),
        (Function::Floor, None) => floats(float.floor()),
        (Function::Sign, _) => {
            let zero = Number::from(0_i64);
            Some(Number::from(i64::from(number > zero) - i64::from(number < zero)))
        }
        (Function::Square, _) => multiply(number, number, floats),
        (Function::Sqrt, _) => floats(float.sqrt()),
        (Function::Exp, _) => floats(float.exp()),
        _ => None,
    }
}

fn binary<'a>(function: Function, first: Value<'a>, second: &Value<'a>, dialect: Dialect) -> Value<'a> {
    match (function, first, second) {
        (Function::ArrayContains, Value::Array(items), needle) => {
            if matches!(needle, Value::Array(_) | Value::Object(_)) {
                return Value::Undefined;
            }
            let equal = |item| compare(Comparison::Equal, &Value::from(item), needle) == Some(true);
            Value::Bool(items.iter().any(equal))
        }
        (Function::Power, Value::Number(base), Value::Number(exponent)) => {
            Value::of_number(dialect.floats()(base.as_f64().powf(exponent.as_f64())))
        }
        (Function::StartsWith, Value::String(text), Value::String(part)) => {
            Value::Bool(text.starts_with(part.as_ref()))
        }
        (Function::EndsWith, Value::String(text), Value::String(part)) => {
            Value::Bool(text.ends_with(part.as_ref()))
        }
        (Function::Contains, Value::String(text), Value::String(part)) => {
            Value::Bool(text.contains(part.as_ref()))
        }
        (Function::IndexOf, Value::String(text), Value::String(part)) => {
            Value::Number(match text.split_once(part.as_ref()) {
                Some((before, _)) => count(before.chars().count()),
                None => Number::from(-1_i64),
            })
        }
        (Function::Substring, Value::String(text), start) => substring(text, start, None, dialect),
        _ => Value::Undefined,
    }
}

/// A start behind the end is undefined, and so is one at the end if a length is asked for. A
/// length that reaches beyond the end is cut in queries and undefined in routes, which also cut
/// fractions off.
fn substring<'a>(
    text: Cow<'a, str>,
    start: &Value<'_>,
    length: Option<&Value<'_>>,
    dialect: Dialect,
) -> Value<'a> {
    let whole = |value: &Value<'_>| match value {
        Value::Number(number) if dialect.is_route() && *number >= Number::from(0_i64) => {
            number.truncated().and_then(|whole| usize::try_from(whole).ok())
        }
        Value::Number(number) => number.as_whole().and_then(|whole| usize::try_from(whole).ok()),
        _ => None,
    };
    let Some(start) = whole(start) else { return Value::Undefined };
    let (length, last_start) = match length.map(whole) {
        Some(Some(length)) => (length, text.chars().count().checked_sub(1)),
        Some(None) => return Value::Undefined,
        None => (usize::MAX, Some(text.chars().count())),
    };
    if last_start.is_none_or(|last| start > last) {
        return Value::Undefined;
    }
    if dialect.is_route() && length != usize::MAX && text.chars().count() - start < length {
        return Value::Undefined;
    }
    match text {
        Cow::Borrowed(text) => Value::String(Cow::Borrowed(part_of(text, start, length))),
        Cow::Owned(text) => Value::String(Cow::Owned(part_of(&text, start, length).to_owned())),
    }
}

fn part_of(text: &str, start: usize, length: usize) -> &str {
    let mut rest = text.chars();
    for _ in 0..start {
        rest.next();
    }
    let rest = rest.as_str();
    match rest.char_indices().nth(length) {
        Some((end, _)) => rest.get(..end).unwrap_or(rest),
        None => rest,
    }
}

fn concat<'a>(parts: &[Value<'a>], dialect: Dialect) -> Value<'a> {
    let mut whole = String::new();
    for part in parts {
        let part = match part {
            Value::String(part) => part.as_ref(),
            // A property that was sent without a value.
            Value::Null if dialect.is_route() => "",
            _ => return Value::Undefined,
        };
        if whole.len() + part.len() > BUILT_STRING_BYTES_MAX {
            return Value::Undefined;
        }
        whole.push_str(part);
    }
    Value::string(whole)
}

fn built<'a>(text: String) -> Value<'a> {
    if text.len() > BUILT_STRING_BYTES_MAX { Value::Undefined } else { Value::string(text) }
}

fn count(count: usize) -> Number {
    Number::from(count as u64)
}
