//! Members of one object, with the path to it, and every fault that is found on the way.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Fault;

/// Further faults are not told: the first ones are enough to go on with.
const FAULTS_MAX: usize = 8;
/// Of a wrong value, in a fault.
const SHOWN_CHARS: usize = 64;

#[derive(Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    fn add(&self, path: String, text: impl Into<String>) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(Fault { path, text: text.into() });
        }
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

pub(super) struct Members<'a> {
    path: String,
    members: &'a Map<String, Value>,
    faults: &'a Faults,
}

impl<'a> Members<'a> {
    pub(super) fn new(path: impl Into<String>, members: &'a Map<String, Value>, faults: &'a Faults) -> Self {
        Self { path: path.into(), members, faults }
    }

    /// A member that is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.given(key).filter(|value| !value.is_null())
    }

    /// A member that is there, even if it is null.
    pub(super) fn given(&self, key: &str) -> Option<&'a Value> {
        let exact = self.members.get(key);
        exact.or_else(|| self.members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, v)| v))
    }

    pub(super) fn all(&self) -> &'a Map<String, Value> {
        self.members
    }

    pub(super) fn fault(&self, text: impl Into<String>) {
        self.faults.add(self.path.clone(), text);
    }

    pub(super) fn fault_at(&self, key: &str, text: impl Into<String>) {
        self.faults.add(self.below(key), text);
    }

    pub(super) fn object(&self, key: &str) -> Option<Members<'a>> {
        if self.get(key).is_none() {
            self.fault_at(key, "it is missing, and must be an object");
        }
        self.optional_object(key)
    }

    pub(super) fn optional_object(&self, key: &str) -> Option<Members<'a>> {
        self.as_object(key, self.get(key)?)
    }

    fn as_object(&self, key: &str, value: &'a Value) -> Option<Members<'a>> {
        let Some(members) = value.as_object() else {
            self.fault_at(key, format!("{} is no object", shown(value)));
            return None;
        };
        Some(Self::new(self.below(key), members, self.faults))
    }

    /// Every member is an object of one kind.
    pub(super) fn each<T>(&self, read: impl Fn(&str, &Members<'a>) -> Option<T>) -> BTreeMap<String, T> {
        let given = self.members.iter().filter(|(_, value)| !value.is_null());
        given
            .filter_map(|(key, value)| Some((key.clone(), read(key, &self.as_object(key, value)?)?)))
            .collect()
    }

    /// Scalars that are no texts are taken as the texts that they look like.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            value => {
                self.fault_at(key, format!("{} is no text", shown(value)));
                None
            }
        }
    }

    pub(super) fn required_text(&self, key: &str) -> Option<String> {
        if self.get(key).is_none() {
            self.fault_at(key, "it is missing, and must be a text");
        }
        self.text(key)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            value => {
                self.fault_at(key, format!("{} is neither true nor false", shown(value)));
                None
            }
        }
    }

    /// One of a few words, in any case.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.get(key)?;
        let found =
            value.as_str().and_then(|text| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)));
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault_at(key, format!("{} is none of {}", shown(value), words.join(", ")));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// The kind of a runtime or module: there is only one.
    pub(super) fn kind(&self, key: &str) {
        if self.get(key).is_none() {
            self.fault_at(key, "it is missing, write docker");
        }
        self.word(key, &[("docker", ())]);
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
