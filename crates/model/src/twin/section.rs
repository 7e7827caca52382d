//! Desired or reported properties with their version and stamps.

use serde_json::{Map, Value, json};

use super::stamps::{Stamp, Stamps};
use super::{Write, without_nulls};
use crate::time::Timestamp;

/// One section of a twin. Properties and stamps always have the same shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    properties: Map<String, Value>,
    stamps: Stamps,
    version: u64,
}

impl Section {
    pub fn new(now: Timestamp) -> Self {
        let stamps = Stamps::leaf(Stamp { at: now, version: None });
        Self { properties: Map::new(), stamps, version: 1 }
    }

    pub(super) fn from_parts(properties: Map<String, Value>, stamps: Stamps, version: u64) -> Self {
        Self { properties, stamps, version }
    }

    pub fn properties(&self) -> &Map<String, Value> {
        &self.properties
    }

    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// Merges as reported properties do: stamps carry the time only.
    pub fn merge(&mut self, patch: &Map<String, Value>, now: Timestamp) {
        self.version += 1;
        self.stamps.merge(&mut self.properties, patch, Stamp { at: now, version: None });
    }

    /// Merges as desired properties do: stamps carry the new version too.
    pub fn merge_versioned(&mut self, patch: &Map<String, Value>, now: Timestamp) {
        self.version += 1;
        let stamp = Stamp { at: now, version: Some(self.version) };
        self.stamps.merge(&mut self.properties, patch, stamp);
    }

    /// Replaces all properties.
    pub fn replace_versioned(&mut self, properties: &Map<String, Value>, now: Timestamp) {
        self.version += 1;
        let stamp = Stamp { at: now, version: Some(self.version) };
        self.properties = without_nulls(properties);
        self.stamps = Stamps::of_object(&self.properties, stamp);
    }

    /// Writes to places, the whole section among them.
    pub(super) fn write_versioned(&mut self, writes: &[Write], now: Timestamp) {
        self.version += 1;
        let stamp = Stamp { at: now, version: Some(self.version) };
        for write in writes {
            match &write.value {
                Value::Object(whole) if write.path.is_empty() => {
                    self.properties = without_nulls(whole);
                    self.stamps = Stamps::of_object(&self.properties, stamp);
                }
                value => self.stamps.write(&mut self.properties, &write.path, value, stamp),
            }
        }
    }

    /// The section as the wire shows it: the properties, then `$metadata` and `$version`.
    pub fn render(&self) -> Value {
        let mut rendered = self.properties.clone();
        rendered.insert("$metadata".to_owned(), self.stamps.render());
        rendered.insert("$version".to_owned(), json!(self.version));
        Value::Object(rendered)
    }
}
