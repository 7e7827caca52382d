//! What followers see of a change to a twin.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_model::twin::{Twin, TwinPatch};

/// Patches that lead from the twin before to the twin after, with the versions that came of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) desired: Option<Versioned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reported: Option<Versioned>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Versioned {
    pub(crate) version: u64,
    pub(crate) patch: Map<String, Value>,
}

impl Note {
    /// An operator's patch, as it came: what sets a value that is there already is told again.
    pub(super) fn patched(patch: &TwinPatch, after: &Twin) -> Self {
        let desired = patch.desired.clone();
        let desired = desired.map(|patch| Versioned { version: after.desired.version(), patch });
        Self { tags: patch.tags.clone(), desired, reported: None }
    }

    /// An operator's whole twin: what is gone is null, so that who merges has the same.
    pub(super) fn replaced(before: &Twin, after: &Twin) -> Self {
        let patch = difference(before.desired.properties(), after.desired.properties());
        let desired = Some(Versioned { version: after.desired.version(), patch });
        Self { tags: Some(difference(&before.tags, &after.tags)), desired, reported: None }
    }

    pub(super) fn reported(patch: &Map<String, Value>, version: u64) -> Self {
        let patch = patch.clone();
        Self { reported: Some(Versioned { version, patch }), ..Self::default() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps with text keys are JSON")
    }

    pub(crate) fn decode(note: &[u8]) -> Option<Self> {
        serde_json::from_slice(note).ok()
    }
}

/// The patch that makes `after` of `before`: what is gone is null.
fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
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
    use skerry_model::Timestamp;
    use skerry_model::twin::merge;

    use super::*;

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

    #[test]
    fn notes_come_back() {
        let now = Timestamp::from_unix_seconds(0);
        let before = Twin::new(now);
        let mut after = before.clone();
        let patch = TwinPatch { tags: None, desired: Some(object(&json!({"a": 1}))) };
        after.patch(&patch, now).unwrap();
        let note = Note::patched(&patch, &after);
        assert_eq!(note.desired, Some(Versioned { version: 2, patch: object(&json!({"a": 1})) }));
        assert_eq!(Note::decode(&note.encode()), Some(note));
        assert_eq!(Note::replaced(&after, &before).desired.unwrap().patch, object(&json!({"a": null})));
        assert_eq!(Note::decode(b""), None);
    }
}
