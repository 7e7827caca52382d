//! What a [`Narrow`] means exactly. Engines use it where nobody else decides: when `accept` is
//! `None`, every engine gives the answer that this page gives.

use serde_json::Value;

use super::{Comparison, Document, Field, Literal, Narrow};

impl Narrow {
    /// Whether `document` meets the condition.
    ///
    /// Numbers compare as `f64`. A field that is missing, `null`, or of another kind than the
    /// literal meets nothing.
    pub fn meets(&self, document: &Document) -> bool {
        match self {
            Narrow::All => true,
            Narrow::Nothing => false,
            Narrow::And(parts) => parts.iter().all(|part| part.meets(document)),
            Narrow::Or(parts) => parts.iter().any(|part| part.meets(document)),
            Narrow::Compare { field, comparison, literal } => {
                field.value(document).is_some_and(|value| compare(&value, *comparison, literal))
            }
            Narrow::Prefix { field, start } => field
                .value(document)
                .is_some_and(|value| value.as_str().is_some_and(|text| text.starts_with(start.as_str()))),
            Narrow::OneOf { field, literals } => field.value(document).is_some_and(|value| {
                literals.iter().any(|literal| compare(&value, Comparison::Equal, literal))
            }),
            Narrow::Holds { field, literal } => match field.value(document) {
                Some(Value::Array(items)) => {
                    items.iter().any(|item| compare(item, Comparison::Equal, literal))
                }
                _ => false,
            },
        }
    }
}

impl Field {
    fn value(&self, document: &Document) -> Option<Value> {
        match self {
            Field::Group => Some(Value::String(document.key.group.clone())),
            Field::Name => Some(Value::String(document.key.name.clone())),
            Field::In(part, path) => document.body.part(*part).get(path),
        }
    }
}

fn compare(value: &Value, comparison: Comparison, literal: &Literal) -> bool {
    let order = match (value, literal) {
        (Value::String(value), Literal::Text(text)) => value.as_bytes().partial_cmp(text.as_bytes()),
        (Value::Number(value), Literal::Number(number)) => {
            value.as_f64().and_then(|value| value.partial_cmp(number))
        }
        (Value::Bool(value), Literal::Bool(wanted)) => value.partial_cmp(wanted),
        _ => None,
    };
    order.is_some_and(|order| match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}
