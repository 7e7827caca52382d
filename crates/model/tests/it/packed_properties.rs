//! Properties of twins under random changes.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use skerry_model::Timestamp;
use skerry_model::twin::{Packed, Twin, TwinPatch, merge, section_bytes, without_nulls};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        (-1e6f64..1e6).prop_map(Value::from),
        "[a-c]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-e]", inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-e]", value()), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn has_null_key(object: &Map<String, Value>) -> bool {
    object.values().any(|value| value.is_null() || value.as_object().is_some_and(has_null_key))
}

/// Every node of the properties has a stamp and no stamp is left over.
fn mirrors(object: &Map<String, Value>, metadata: &Value) -> bool {
    let mut keys: Vec<&str> = metadata.as_object().unwrap().keys().map(String::as_str).collect();
    keys.retain(|key| !key.starts_with('$'));
    keys.len() == object.len()
        && object.iter().all(|(key, value)| match value {
            Value::Object(inner) => mirrors(inner, &metadata[key]),
            _ => metadata[key]["$lastUpdated"].is_string(),
        })
}

proptest! {
    #[test]
    fn twins_survive_packing_and_stamps_mirror_properties(
        changes in prop::collection::vec((0..4u8, object()), 0..8)
    ) {
        let mut twin = Twin::new(Timestamp::from_unix_seconds(0));
        for (at, (op, patch)) in changes.into_iter().enumerate() {
            let now = Timestamp::from_unix_seconds(at as i64 + 1);
            let before = twin.version;
            let outcome = match op {
                0 => twin.report(&patch, now),
                1 => twin.patch(&TwinPatch { tags: Some(patch), desired: None }, now),
                2 => twin.patch(&TwinPatch { tags: None, desired: Some(patch) }, now),
                _ => twin.replace(&TwinPatch { tags: None, desired: Some(patch) }, now),
            };
            prop_assert_eq!(twin.version, before + u64::from(outcome.is_ok()));
        }
        for section in [&twin.desired, &twin.reported] {
            prop_assert!(mirrors(section.properties(), &section.stamps().render()));
            prop_assert!(!has_null_key(section.properties()));
        }
        let unpacked = Packed::unpack(
            &Packed::pack(&twin), twin.tags.clone(),
            twin.desired.properties().clone(), twin.reported.properties().clone(),
        );
        prop_assert_eq!(unpacked, Ok(twin));
    }

    #[test]
    fn merging_twice_is_merging_once(start in object(), patch in object()) {
        let mut once = without_nulls(&start);
        merge(&mut once, &patch);
        let mut twice = once.clone();
        merge(&mut twice, &patch);
        prop_assert_eq!(&once, &twice);
        prop_assert!(!has_null_key(&once));
        let mut all_gone = once.clone();
        merge(&mut all_gone, &once.keys().map(|key| (key.clone(), Value::Null)).collect());
        prop_assert!(all_gone.is_empty());
    }

    #[test]
    fn damaged_bookkeeping_is_an_error_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64), properties in object()
    ) {
        let properties = without_nulls(&properties);
        let _ = Packed::unpack(&bytes, Map::new(), properties.clone(), properties);
    }
}

#[test]
fn the_size_rule_counts_what_the_limits_say() {
    let section = json!({"aé": "x\u{1}yz", "n": 1.5, "b": true, "z": {"k": [null, "ab", false]}});
    assert_eq!(section_bytes(section.as_object().unwrap()), (3 + 3) + (1 + 8) + (1 + 4) + 1 + 1 + 2 + 4);
}

#[test]
fn a_full_section_packs_into_few_bytes() {
    let full: Map<String, Value> = (0..3000).map(|n| (format!("p{n:04}"), json!(n))).collect();
    let mut twin = Twin::new(Timestamp::NEVER);
    twin.report(&full.iter().take(2400).map(|(k, v)| (k.clone(), v.clone())).collect(), Timestamp::NEVER)
        .unwrap();
    let rendered = twin.reported.stamps().render().to_string().len();
    let packed = Packed::pack(&twin).len();
    assert!(rendered > 90_000 && packed < 100, "{rendered} bytes as JSON, {packed} packed");
}
