//! The desired properties as far as they are known: a whole twin, and every patch since. A patch that
//! does not follow on the version before says that one was missed, and the whole twin is asked for.

use serde_json::{Map, Value};
use skerry_model::twin::merge;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesiredTwin {
    known: Option<(u64, Map<String, Value>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchOutcome {
    Changed,
    /// Older than what is known: it is in there already.
    Known,
    /// Something is missing: ask for the whole twin.
    Missed,
}

impl DesiredTwin {
    /// Takes a whole section; `false` where it is what was known.
    pub fn replace(&mut self, desired: Map<String, Value>) -> bool {
        let version = desired.get("$version").and_then(Value::as_u64).unwrap_or_default();
        let properties = properties(desired);
        let is_same = self.known.as_ref().is_some_and(|known| known.0 == version && known.1 == properties);
        self.known = Some((version, properties));
        !is_same
    }

    pub fn patch(&mut self, version: u64, patch: &Map<String, Value>) -> PatchOutcome {
        let Some((known, properties)) = &mut self.known else { return PatchOutcome::Missed };
        if version <= *known {
            return PatchOutcome::Known;
        }
        if version != *known + 1 {
            return PatchOutcome::Missed;
        }
        merge(properties, &self::properties(patch.clone()));
        *known = version;
        PatchOutcome::Changed
    }

    /// Version and properties, without `$version` and `$metadata`.
    pub fn known(&self) -> Option<(u64, &Map<String, Value>)> {
        self.known.as_ref().map(|(version, properties)| (*version, properties))
    }
}

fn properties(section: Map<String, Value>) -> Map<String, Value> {
    section.into_iter().filter(|(key, _)| !key.starts_with('$')).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn patches_follow_one_on_the_other_or_are_told() {
        let mut twin = DesiredTwin::default();
        assert_eq!(twin.patch(3, &Map::new()), PatchOutcome::Missed);
        assert!(twin.replace(map(&json!({"a": {"b": 1, "c": 2}, "$version": 4, "$metadata": {}}))));
        assert!(!twin.replace(map(&json!({"a": {"b": 1, "c": 2}, "$version": 4}))));
        let patch = map(&json!({"a": {"b": null, "d": 3}, "$version": 5}));
        assert_eq!(twin.patch(5, &patch), PatchOutcome::Changed);
        assert_eq!(twin.patch(5, &patch), PatchOutcome::Known);
        assert_eq!(twin.known(), Some((5, &map(&json!({"a": {"c": 2, "d": 3}})))));
        assert_eq!(twin.patch(7, &patch), PatchOutcome::Missed);
    }

    #[test]
    fn a_twin_that_was_made_anew_counts_from_the_beginning() {
        let mut twin = DesiredTwin::default();
        twin.replace(map(&json!({"a": 1, "$version": 40})));
        assert!(twin.replace(map(&json!({"b": 1, "$version": 2}))));
        assert_eq!(twin.known().unwrap().0, 2);
    }
}
