//! Arithmetic on numbers. Integers stay exact as long as 64 bits hold them, then become
//! doubles. In queries, what has no finite result, such as a division by zero, is undefined; in
//! routes `3 / 0` is infinite, and only what is not a number is undefined.

use crate::number::{Floats, Number};
use crate::syntax::Arithmetic;
use crate::value::Value;

pub(super) fn apply<'a>(op: Arithmetic, left: &Value<'_>, right: &Value<'_>, floats: Floats) -> Value<'a> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return Value::Undefined };
    Value::of_number(match op {
        Arithmetic::Add => add(*left, *right, floats),
        Arithmetic::Subtract => subtract(*left, *right, floats),
        Arithmetic::Multiply => multiply(*left, *right, floats),
        Arithmetic::Divide => divide(*left, *right, floats),
        Arithmetic::Remainder => remainder(*left, *right, floats),
    })
}

pub(super) fn negate<'a>(value: &Value<'_>) -> Value<'a> {
    match value {
        Value::Number(number) => Value::of_number(Some(number.negated())),
        _ => Value::Undefined,
    }
}

pub(crate) fn add(left: Number, right: Number, floats: Floats) -> Option<Number> {
    match (left.as_int(), right.as_int()) {
        (Some(a), Some(b)) => Some(Number::from_int(a + b)),
        _ => floats(left.as_f64() + right.as_f64()),
    }
}

fn subtract(left: Number, right: Number, floats: Floats) -> Option<Number> {
    match (left.as_int(), right.as_int()) {
        (Some(a), Some(b)) => Some(Number::from_int(a - b)),
        _ => floats(left.as_f64() - right.as_f64()),
    }
}

pub(super) fn multiply(left: Number, right: Number, floats: Floats) -> Option<Number> {
    match (left.as_int(), right.as_int()) {
        // Two factors of 65 bits can leave 128.
        (Some(a), Some(b)) => match a.checked_mul(b) {
            Some(product) => Some(Number::from_int(product)),
            None => floats(a as f64 * b as f64),
        },
        _ => floats(left.as_f64() * right.as_f64()),
    }
}

/// `6 / 2` is the integer 3, `7 / 2` is 3.5.
pub(crate) fn divide(left: Number, right: Number, floats: Floats) -> Option<Number> {
    match (left.as_int(), right.as_int()) {
        (Some(a), Some(b)) if b != 0 && a % b == 0 => Some(Number::from_int(a / b)),
        _ => floats(left.as_f64() / right.as_f64()),
    }
}

/// The sign is that of the left side, as in C.
fn remainder(left: Number, right: Number, floats: Floats) -> Option<Number> {
    match (left.as_int(), right.as_int()) {
        (Some(_), Some(0)) => None,
        (Some(a), Some(b)) => Some(Number::from_int(a % b)),
        _ => floats(left.as_f64() % right.as_f64()),
    }
}
