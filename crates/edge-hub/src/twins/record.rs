//! One twin as the edge knows it, pure.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use skerry_model::twin::{TwinError, check_report, difference, merge};

/// What the hub said, and what the client reported that the hub has not heard yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    desired: Map<String, Value>,
    /// 0 before the hub said anything.
    desired_version: u64,
    /// With everything that the client reported.
    reported: Map<String, Value>,
    reported_version: u64,
    /// Joined as far as one patch can say it, with nulls for what is gone; in order.
    pending: VecDeque<Map<String, Value>>,
    /// The first of them may be with the hub already.
    is_sending: bool,
    /// The client was shown a twin without anything of the hub's, because nothing was known.
    #[serde(default)]
    was_blank: bool,
}

/// Patches that could not be joined; with one more the client has to wait for the hub.
const PENDING_MAX: usize = 32;

/// Why a report is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReported {
    #[error(transparent)]
    Twin(#[from] TwinError),
    #[error("too many changes wait for the hub: report again when it is reached")]
    TooMany,
}

/// What a patch of desired properties means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Patched {
    /// It follows on what is known: to be told as it is.
    Follows,
    Known,
    /// Something is missing: the whole twin has to be asked for.
    Missed,
}

impl Record {
    pub(crate) fn desired(&self) -> (u64, &Map<String, Value>) {
        (self.desired_version, &self.desired)
    }

    pub(crate) fn is_told(&self) -> bool {
        self.desired_version > 0
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn patch(&mut self, version: u64, patch: &Map<String, Value>) -> Patched {
        if self.desired_version == 0 || version > self.desired_version + 1 {
            return Patched::Missed;
        }
        if version <= self.desired_version {
            return Patched::Known;
        }
        merge(&mut self.desired, &properties(patch.clone()));
        self.desired_version = version;
        Patched::Follows
    }

    /// Takes the whole twin as the hub has it. What has changed of the desired properties, with the new
    /// version; `None` when there is nothing to tell.
    pub(crate) fn replace(&mut self, twin: &Value) -> Option<(u64, Map<String, Value>)> {
        let section = |name: &str| twin.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let (desired, reported) = (section("desired"), section("reported"));
        let version = |section: &Map<String, Value>| section.get("$version").and_then(Value::as_u64);
        let new_version = version(&desired).unwrap_or(1);
        self.reported_version = version(&reported).unwrap_or(1);
        self.reported = properties(reported);
        for patch in &self.pending {
            merge(&mut self.reported, patch);
        }
        let desired = properties(desired);
        let before = std::mem::replace(&mut self.desired, desired);
        // Who was shown nothing has not seen what was there from the first.
        let is_first = self.desired_version == 0 && !std::mem::take(&mut self.was_blank);
        let is_same = std::mem::replace(&mut self.desired_version, new_version) == new_version;
        let change = difference(&before, &self.desired);
        let is_news = !is_same || !change.is_empty();
        (!is_first && is_news).then_some((new_version, change))
    }

    /// Takes what the client reports; nothing is changed by what the hub would not take.
    pub(crate) fn report(&mut self, patch: &Map<String, Value>) -> Result<(), NotReported> {
        let mut reported = self.reported.clone();
        merge(&mut reported, patch);
        check_report(patch, &reported)?;
        // What may be on its way already stays as it is.
        let is_open = self.pending.len() > usize::from(self.is_sending);
        let is_full = self.pending.len() >= PENDING_MAX;
        match self.pending.back_mut() {
            Some(last) if is_open && can_join(last, patch) => join(last, patch),
            _ if is_full => return Err(NotReported::TooMany),
            _ => self.pending.push_back(patch.clone()),
        }
        self.reported = reported;
        Ok(())
    }

    /// What is to be sent to the hub now.
    pub(crate) fn send(&mut self) -> Option<Map<String, Value>> {
        self.is_sending = !self.pending.is_empty();
        self.pending.front().cloned()
    }

    /// The hub has what was sent, or will never take it.
    pub(crate) fn sent(&mut self, version: Option<u64>) {
        self.pending.pop_front();
        self.is_sending = false;
        self.reported_version = version.unwrap_or(self.reported_version + 1);
    }

    /// The document as its client sees it.
    pub(crate) fn show(&mut self) -> Value {
        self.was_blank |= !self.is_told();
        self.document()
    }

    fn document(&self) -> Value {
        let section = |properties: &Map<String, Value>, version: u64| {
            let mut section = properties.clone();
            section.insert("$version".to_owned(), json!(version.max(1)));
            Value::Object(section)
        };
        json!({
            "desired": section(&self.desired, self.desired_version),
            "reported": section(&self.reported, self.reported_version),
        })
    }
}

/// Without what the hub says about them.
fn properties(section: Map<String, Value>) -> Map<String, Value> {
    section.into_iter().filter(|(key, _)| !key.starts_with('$')).collect()
}

/// Whether one patch can say what two do. What goes and then comes as an object cannot be said in one: the hub
/// would keep what was in there before.
fn can_join(first: &Map<String, Value>, second: &Map<String, Value>) -> bool {
    second.iter().all(|(key, value)| match (first.get(key), value) {
        (Some(Value::Object(present)), Value::Object(inner)) => can_join(present, inner),
        (Some(_), Value::Object(_)) => false,
        _ => true,
    })
}

/// Joins two patches into one that does the same: what is gone stays null.
fn join(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (into.get_mut(key), value) {
            (Some(Value::Object(present)), Value::Object(inner)) => join(present, inner),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn patches_follow_or_are_missed() {
        let mut record = Record::default();
        assert_eq!(record.patch(2, &Map::new()), Patched::Missed);
        assert_eq!(
            record.replace(&json!({"desired": {"a": 1, "$version": 4}, "reported": {"$version": 1}})),
            None
        );
        assert_eq!(record.patch(5, &map(&json!({"a": null, "b": 2, "$version": 5}))), Patched::Follows);
        assert_eq!(record.patch(5, &Map::new()), Patched::Known);
        assert_eq!(record.patch(7, &Map::new()), Patched::Missed);
        assert_eq!(record.desired(), (5, &map(&json!({"b": 2}))));
        // What was missed comes as the difference.
        let told = record.replace(&json!({"desired": {"c": 3, "$version": 8}, "reported": {}}));
        assert_eq!(told, Some((8, map(&json!({"c": 3, "b": null})))));
        assert_eq!(record.replace(&json!({"desired": {"c": 3, "$version": 8}, "reported": {}})), None);
        // Who asked before the hub said anything hears of all of it.
        let mut blank = Record::default();
        assert_eq!(blank.show()["desired"], json!({"$version": 1}));
        let first = json!({"desired": {"a": 1, "$version": 4}, "reported": {}});
        assert_eq!(blank.replace(&first), Some((4, map(&json!({"a": 1})))));
        assert_eq!(blank.replace(&first), None);
        // An identity that was made anew counts from the beginning.
        assert!(record.replace(&json!({"desired": {"c": 3, "$version": 1}, "reported": {}})).is_some());
    }

    #[test]
    fn what_is_reported_offline_is_seen_at_once_and_sent_later() {
        let mut record = Record::default();
        record.report(&map(&json!({"a": 1, "b": {"c": 2}}))).unwrap();
        record.report(&map(&json!({"a": null, "b": {"d": 3}}))).unwrap();
        assert_eq!(record.document()["reported"], json!({"b": {"c": 2, "d": 3}, "$version": 1}));
        assert_eq!(record.send(), Some(map(&json!({"a": null, "b": {"c": 2, "d": 3}}))));
        record.report(&map(&json!({"e": 4}))).unwrap();
        // The hub did not answer: the same goes again, and then the other.
        assert_eq!(record.send(), Some(map(&json!({"a": null, "b": {"c": 2, "d": 3}}))));
        record.replace(&json!({"desired": {"$version": 1}, "reported": {"a": 1, "x": 1, "$version": 7}}));
        assert_eq!(
            record.document()["reported"],
            json!({"x": 1, "b": {"c": 2, "d": 3}, "e": 4, "$version": 7})
        );
        record.sent(Some(8));
        assert_eq!((record.has_pending(), record.send()), (true, Some(map(&json!({"e": 4})))));
        record.sent(Some(9));
        assert_eq!((record.has_pending(), record.send()), (false, None));
        assert!(record.report(&map(&json!({"a.b": 1}))).is_err());
        assert!(!record.has_pending());
        for number in 0..PENDING_MAX + 2 {
            let patch = if number % 2 == 0 { json!({"a": null}) } else { json!({"a": {"n": number}}) };
            let taken = record.report(&map(&patch));
            assert_eq!(taken.is_ok(), record.pending.len() <= PENDING_MAX, "{number}");
        }
    }

    fn patch() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), (0..3).prop_map(|n| json!(n))];
        let object = |inner| prop::collection::btree_map("[a-c]", inner, 0..3);
        leaf.prop_recursive(3, 12, 3, move |inner| object(inner).prop_map(|map| json!(map)))
            .prop_filter_map("patches are objects", |value| value.is_object().then_some(value))
    }

    proptest! {
        #[test]
        fn the_hub_comes_to_what_the_client_reported(
            start in patch(), steps in prop::collection::vec((patch(), 0..4), 1..12),
        ) {
            let mut hub = skerry_model::twin::without_nulls(&map(&start));
            let mut record = Record::default();
            record.replace(&json!({"desired": {"$version": 1}, "reported": hub.clone()}));
            for (patch, then) in steps {
                record.report(&map(&patch)).unwrap();
                // Nothing, sent and heard, sent and heard twice, sent and not heard.
                for turn in 0..then {
                    let Some(sent) = record.send() else { break };
                    if turn < 3 {
                        merge(&mut hub, &sent);
                    }
                    if turn != 1 {
                        record.sent(None);
                    }
                }
            }
            while let Some(sent) = record.send() {
                merge(&mut hub, &sent);
                record.sent(None);
            }
            prop_assert_eq!(hub, record.reported);
        }

        #[test]
        fn a_joined_patch_does_what_both_did(start in patch(), first in patch(), second in patch()) {
            let mut one_by_one = map(&start);
            merge(&mut one_by_one, &map(&first));
            merge(&mut one_by_one, &map(&second));
            let (mut joined, mut together) = (map(&first), map(&start));
            join(&mut joined, &map(&second));
            merge(&mut together, &joined);
            prop_assert!(!can_join(&map(&first), &map(&second)) || together == one_by_one);
        }
    }
}
