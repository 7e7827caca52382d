//! Merging of plain JSON, without stamps: the rule for tags, and the one that sections follow.

use serde_json::{Map, Value};

/// Merges `patch` into `into`: null removes, objects merge, the rest replaces.
pub fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                into.shift_remove(key);
            }
            Value::Object(inner) => match into.get_mut(key) {
                Some(Value::Object(present)) => merge(present, inner),
                _ => {
                    into.insert(key.clone(), Value::Object(without_nulls(inner)));
                }
            },
            other => {
                into.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The object without the keys whose value is null, at every level of objects. Nulls inside
/// arrays are values and stay.
pub fn without_nulls(object: &Map<String, Value>) -> Map<String, Value> {
    object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| match value {
            Value::Object(inner) => (key.clone(), Value::Object(without_nulls(inner))),
            other => (key.clone(), other.clone()),
        })
        .collect()
}
