//! From one section to the next as a patch: what is gone becomes null.

use serde_json::{Map, Value};

pub fn delta(known: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in wanted {
        match (known.get(key), value) {
            (Some(before), after) if before == after => {}
            (Some(Value::Object(before)), Value::Object(after)) => {
                let inner = delta(before, after);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (_, after) => {
                patch.insert(key.clone(), after.clone());
            }
        }
    }
    for key in known.keys().filter(|key| !key.starts_with('$') && !wanted.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use skerry_model::twin::merge;

    use super::*;

    #[test]
    fn only_what_differs_is_sent() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let known = map(json!({"a": {"b": 1, "c": [1]}, "d": 1, "$version": 7, "e": {"f": 1}}));
        let wanted = map(json!({"a": {"b": 1, "c": [2], "g": {}}, "e": 3}));
        assert_eq!(
            Value::Object(delta(&known, &wanted)),
            json!({"a": {"c": [2], "g": {}}, "e": 3, "d": null})
        );
        assert!(delta(&wanted, &wanted).is_empty());
    }

    fn section() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), (0..3_i64).prop_map(Value::from)];
        let value = leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        prop::collection::btree_map("[a-c]", value, 0..3).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn merged_it_gives_what_was_wanted(known in section(), wanted in section()) {
            let mut merged = known.clone();
            merge(&mut merged, &delta(&known, &wanted));
            prop_assert_eq!(merged, wanted);
        }
    }
}
