//! What followers see of a change to a twin.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_model::twin::{Twin, TwinPatch, difference};

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
        Self { tags: Some(difference(&before.tags, &after.tags)), ..Self::written(before, after) }
    }

    /// A deployment's writes: what they come to, since who merges cannot replace.
    pub(super) fn written(before: &Twin, after: &Twin) -> Self {
        let patch = difference(before.desired.properties(), after.desired.properties());
        let desired = Some(Versioned { version: after.desired.version(), patch });
        Self { tags: None, desired, reported: None }
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skerry_model::Timestamp;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
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
