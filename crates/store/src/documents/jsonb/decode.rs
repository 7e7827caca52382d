//! From bytes to a value, or to one place inside it.

use serde_json::{Map, Number, Value};

use super::header::{self, Element};
use super::{JSON_DEPTH_MAX, JsonError, text};
use crate::documents::Step;

pub(super) fn decode(bytes: &[u8]) -> Result<Value, JsonError> {
    value(root(bytes)?, JSON_DEPTH_MAX)
}

pub(super) fn get(bytes: &[u8], path: &[Step]) -> Option<Value> {
    let mut element = root(bytes).ok()?;
    for step in path {
        element = descend(element, step).ok()??;
    }
    value(element, JSON_DEPTH_MAX).ok()
}

fn root(bytes: &[u8]) -> Result<Element<'_>, JsonError> {
    match header::take(bytes, 0)? {
        (element, []) => Ok(element),
        (element, _) => {
            Err(JsonError { at: element.at + element.payload.len(), what: "bytes follow the value" })
        }
    }
}

fn descend<'a>(element: Element<'a>, step: &Step) -> Result<Option<Element<'a>>, JsonError> {
    let mut items = Items::of(element);
    match (step, element.kind) {
        (Step::Name(name), header::OBJECT) => {
            while let Some(label) = items.next()? {
                let member = items.member(label)?;
                if text::is(label, name)? {
                    return Ok(Some(member));
                }
            }
        }
        (Step::Index(index), header::ARRAY) => {
            for _ in 0..*index {
                if items.next()?.is_none() {
                    return Ok(None);
                }
            }
            return items.next();
        }
        _ => {}
    }
    Ok(None)
}

/// The elements inside a container, one after the other.
struct Items<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    fn of(element: Element<'a>) -> Self {
        Self { rest: element.payload, at: element.at }
    }

    fn next(&mut self) -> Result<Option<Element<'a>>, JsonError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (element, rest) = header::take(self.rest, self.at)?;
        self.rest = rest;
        self.at = element.at + element.payload.len();
        Ok(Some(element))
    }

    fn count(mut self) -> Result<usize, JsonError> {
        let mut count = 0;
        while self.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn member(&mut self, label: Element<'_>) -> Result<Element<'a>, JsonError> {
        self.next()?.ok_or(JsonError { at: label.at, what: "a name has no value" })
    }
}

fn value(element: Element<'_>, depth: usize) -> Result<Value, JsonError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(JsonError { at: element.at, what: "nested too deeply" });
    };
    let mut items = Items::of(element);
    match element.kind {
        header::NULL => Ok(Value::Null),
        header::TRUE => Ok(Value::Bool(true)),
        header::FALSE => Ok(Value::Bool(false)),
        header::INT | header::INT5 => integer(element),
        header::FLOAT | header::FLOAT5 => float(element),
        header::TEXT | header::TEXTJ | header::TEXT5 | header::TEXTRAW => {
            Ok(Value::String(text::read(element)?.into_owned()))
        }
        header::ARRAY => {
            let mut array = Vec::new();
            while let Some(item) = items.next()? {
                array.push(value(item, depth)?);
            }
            Ok(Value::Array(array))
        }
        header::OBJECT => {
            // Walking the headers first costs less than a map that grows.
            let mut object = Map::with_capacity(Items::of(element).count()? / 2);
            while let Some(label) = items.next()? {
                let name = text::read(label)?.into_owned();
                let member = value(items.member(label)?, depth)?;
                object.entry(name).or_insert(member);
            }
            Ok(Value::Object(object))
        }
        _ => Err(JsonError { at: element.at, what: "the type is reserved" }),
    }
}

fn digits(element: Element<'_>) -> Result<&str, JsonError> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if element.payload.is_empty() || !element.payload.iter().all(plain) {
        return Err(JsonError { at: element.at, what: "not a number" });
    }
    std::str::from_utf8(element.payload).map_err(|_| JsonError { at: element.at, what: "not a number" })
}

fn integer(element: Element<'_>) -> Result<Value, JsonError> {
    let digits = digits(element)?;
    let (negative, magnitude) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    if let Some(hex) = magnitude.strip_prefix("0x").or(magnitude.strip_prefix("0X")) {
        // Beyond 64 bits SQLite itself has no answer for hexadecimal numbers.
        let parsed = u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+'));
        let Some(number) = parsed else {
            return Err(JsonError { at: element.at, what: "not a hexadecimal number" });
        };
        return Ok(match (negative, 0i64.checked_sub_unsigned(number)) {
            (false, _) => number.into(),
            (true, Some(number)) => number.into(),
            (true, None) => (-(number as f64)).into(),
        });
    }
    if magnitude.is_empty() || !magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(JsonError { at: element.at, what: "not an integer" });
    }
    if let Ok(number) = digits.parse::<i64>() {
        return Ok(number.into());
    }
    if let Ok(number) = digits.parse::<u64>() {
        return Ok(number.into());
    }
    float(element)
}

fn float(element: Element<'_>) -> Result<Value, JsonError> {
    // Rust reads `5.`, `.5` and `+5` as JSON5 does; its names for infinity are none of ours.
    let digits = digits(element)?;
    let number = digits.parse::<f64>().ok().and_then(Number::from_f64);
    number.map(Value::Number).ok_or(JsonError { at: element.at, what: "not a finite number" })
}
