//! Writing to places in desired properties, as deployments do: what stands at a place afterwards is what was
//! written, whatever was there before. A patch merges instead.

use serde_json::{Map, Value};

/// A place in desired properties, and what stands there afterwards; null is nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Keys from the section down; empty for the section itself.
    pub path: Vec<String>,
    pub value: Value,
}

impl Write {
    /// The section that holds nothing else, for the rules of what a section may hold.
    pub(super) fn alone(&self) -> Value {
        self.path.iter().rev().fold(self.value.clone(), |below, key| {
            let mut object = Map::new();
            object.insert(key.clone(), below);
            Value::Object(object)
        })
    }
}

/// The patch that makes `after` of `before`: what is gone is null.
pub fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, now) in after {
        match (before.get(key), now) {
            (Some(then), now) if then == now => {}
            (Some(Value::Object(then)), Value::Object(now)) => {
                patch.insert(key.clone(), Value::Object(difference(then, now)));
            }
            // An object does not replace another value level by level, so nothing needs to go first.
            _ => drop(patch.insert(key.clone(), now.clone())),
        }
    }
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    patch
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::twin::merge;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_difference_leads_from_one_to_the_other() {
        let table = [
            (json!({"a": 1}), json!({"a": 1}), json!({})),
            (json!({"a": 1, "b": 2}), json!({"b": 3}), json!({"a": null, "b": 3})),
            (
                json!({"a": {"x": 1, "y": 2}}),
                json!({"a": {"y": 2, "z": 3}}),
                json!({"a": {"z": 3, "x": null}}),
            ),
            (json!({"a": {"x": 1}}), json!({"a": 7}), json!({"a": 7})),
            (json!({"a": 7}), json!({"a": {"x": 1}}), json!({"a": {"x": 1}})),
            (json!({"a": [1, 2]}), json!({"a": [2]}), json!({"a": [2]})),
        ];
        for (before, after, patch) in table {
            let (mut merged, after) = (object(&before), object(&after));
            let found = difference(&merged, &after);
            assert_eq!(found, object(&patch), "{before}");
            merge(&mut merged, &found);
            assert_eq!(merged, after, "{before}");
        }
    }
}
