//! What a deployment would change, place by place.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output;

/// Characters of a value in a table; JSON has all of them.
const CELL_CHARS_MAX: usize = 60;

/// One place in somebody's desired properties.
pub(super) struct Change {
    of: String,
    /// Empty for a module that would be made.
    place: String,
    from: Option<Value>,
    to: Option<Value>,
}

impl Change {
    pub(super) fn made(of: &str) -> Self {
        Self { of: of.to_owned(), place: String::new(), from: None, to: None }
    }

    /// Every place at which the two differ.
    pub(super) fn between(of: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Self> {
        let mut changes = Vec::new();
        compare(of, "", before, after, &mut changes);
        changes
    }

    fn word(&self) -> &'static str {
        match (&self.from, &self.to) {
            (None, None) => "make",
            (None, Some(_)) => "add",
            (Some(_), None) => "remove",
            (Some(_), Some(_)) => "change",
        }
    }
}

fn compare(
    of: &str,
    above: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let new = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(new) {
        let place = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(from), Some(to)) if from == to => {}
            (Some(Value::Object(from)), Some(Value::Object(to))) => compare(of, &place, from, to, changes),
            (from, to) => {
                let shown = |value: Option<&Value>| value.map(|value| without_secrets(key, value));
                changes.push(Change { of: of.to_owned(), place, from: shown(from), to: shown(to) });
            }
        }
    }
}

/// Passwords of registries do not belong on a screen.
fn without_secrets(key: &str, value: &Value) -> Value {
    match value {
        Value::String(_) if key.eq_ignore_ascii_case("password") => "***".into(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), without_secrets(key, value))).collect()
        }
        other => other.clone(),
    }
}

pub(super) fn print(changes: &[Change], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let json = |change: &Change| {
            json!({
                "of": change.of, "change": change.word(), "place": change.place, "from": change.from,
                "to": change.to,
            })
        };
        return output::json(&changes.iter().map(json).collect());
    }
    if changes.is_empty() {
        eprintln!("Every place has what the content says.");
        return Ok(());
    }
    let cell = |value: Option<&Value>| {
        let text = value.map_or_else(|| "-".to_owned(), Value::to_string);
        match text.char_indices().nth(CELL_CHARS_MAX) {
            Some((at, _)) => format!("{}…", &text[..at]),
            None => text,
        }
    };
    let row = |change: &Change| {
        let place = if change.place.is_empty() { "-" } else { &change.place };
        let (from, to) = (cell(change.from.as_ref()), cell(change.to.as_ref()));
        vec![change.of.clone(), change.word().to_owned(), place.to_owned(), from, to]
    };
    output::table(&["of", "change", "place", "from", "to"], &changes.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_named_once_and_no_password() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let before = object(json!({"a": {"b": 1, "c": 2}, "gone": {"password": "old"}, "same": [1]}));
        let after = object(json!({"a": {"b": 1, "c": 3}, "same": [1], "new": {"r": {"password": "secret"}}}));
        let found: Vec<_> = Change::between("m1", &before, &after)
            .into_iter()
            .map(|change| json!([change.word(), change.place, change.from, change.to]))
            .collect();
        let wanted = json!([
            ["change", "a.c", 2, 3],
            ["remove", "gone", {"password": "***"}, null],
            ["add", "new", null, {"r": {"password": "***"}}],
        ]);
        assert_eq!(Value::from(found), wanted);
        assert_eq!(Change::made("m1").word(), "make");
    }
}
