//! When each node of a section last changed: a tree that mirrors the properties.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::time::Timestamp;

/// When a node last changed, and with which version of the section (desired only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    pub at: Timestamp,
    pub version: Option<u64>,
}

/// Stamps of a node and of what is below it. Arrays and primitives have one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamps {
    pub stamp: Stamp,
    children: IndexMap<String, Stamps>,
}

impl Stamps {
    pub fn leaf(stamp: Stamp) -> Self {
        Self { stamp, children: IndexMap::new() }
    }

    /// Stamps for `value`, every node with the same one.
    pub fn of(value: &Value, stamp: Stamp) -> Self {
        match value {
            Value::Object(object) => Self::of_object(object, stamp),
            _ => Self::leaf(stamp),
        }
    }

    pub fn of_object(object: &Map<String, Value>, stamp: Stamp) -> Self {
        let children = object.iter().map(|(key, value)| (key.clone(), Self::of(value, stamp))).collect();
        Self { stamp, children }
    }

    pub fn child(&self, key: &str) -> Option<&Stamps> {
        self.children.get(key)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Stamps> {
        self.children.values()
    }

    pub(super) fn push(&mut self, key: String, child: Stamps) {
        self.children.insert(key, child);
    }

    /// Merges `patch` into `object` and stamps each node that it touches, and all above it.
    pub(super) fn merge(
        &mut self,
        object: &mut Map<String, Value>,
        patch: &Map<String, Value>,
        stamp: Stamp,
    ) {
        self.stamp = stamp;
        for (key, value) in patch {
            match (value, object.get_mut(key)) {
                (Value::Null, _) => {
                    object.shift_remove(key);
                    self.children.shift_remove(key);
                }
                (Value::Object(inner), Some(Value::Object(present))) => {
                    let child = self.children.entry(key.clone()).or_insert_with(|| Self::leaf(stamp));
                    child.merge(present, inner, stamp);
                }
                (value, _) => {
                    let value = match value {
                        Value::Object(inner) => Value::Object(super::without_nulls(inner)),
                        other => other.clone(),
                    };
                    self.children.insert(key.clone(), Self::of(&value, stamp));
                    object.insert(key.clone(), value);
                }
            }
        }
    }

    /// Puts `value` where `path` leads in `object`, making the objects on the way, and stamps what is new and all
    /// above it. Null removes, and makes nothing on the way.
    pub(super) fn write(
        &mut self,
        object: &mut Map<String, Value>,
        path: &[String],
        value: &Value,
        stamp: Stamp,
    ) {
        self.stamp = stamp;
        match path {
            [] => {}
            [key] if value.is_null() => {
                object.shift_remove(key);
                self.children.shift_remove(key);
            }
            [key] => {
                let value = match value {
                    Value::Object(inner) => Value::Object(super::without_nulls(inner)),
                    other => other.clone(),
                };
                self.children.insert(key.clone(), Self::of(&value, stamp));
                object.insert(key.clone(), value);
            }
            [key, below @ ..] => {
                if !object.get(key).is_some_and(Value::is_object) {
                    if value.is_null() {
                        return;
                    }
                    object.insert(key.clone(), Value::Object(Map::new()));
                    self.children.insert(key.clone(), Self::leaf(stamp));
                }
                if let Some(Value::Object(inner)) = object.get_mut(key) {
                    let child = self.children.entry(key.clone()).or_insert_with(|| Self::leaf(stamp));
                    child.write(inner, below, value, stamp);
                }
            }
        }
    }

    /// `$metadata` as the wire shows it.
    pub fn render(&self) -> Value {
        let mut node = Map::new();
        node.insert("$lastUpdated".to_owned(), json!(self.stamp.at));
        if let Some(version) = self.stamp.version {
            node.insert("$lastUpdatedVersion".to_owned(), json!(version));
        }
        for (key, child) in &self.children {
            node.insert(key.clone(), child.render());
        }
        Value::Object(node)
    }
}
