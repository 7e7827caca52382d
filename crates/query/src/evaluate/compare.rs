//! Comparison of two values of one primitive kind.

use std::cmp::Ordering;

use crate::syntax::Comparison;
use crate::value::Value;

/// The answer, or none where the two do not compare.
pub(super) fn compare(op: Comparison, left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    order(left, right).map(|order| match op {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    })
}

/// The order inside a kind: null has one value, false is below true, UTF-8's byte order is that
/// of code points.
fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        _ => None,
    }
}
