//! What happened before, kept over restarts: how often modules were restarted, and which version of
//! the manifest failed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skerry_model::Timestamp;

use crate::manifest::DesiredStatus;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    pub modules: BTreeMap<String, Record>,
    /// Digest of the desired properties that were applied and held.
    pub good: Option<String>,
    pub failed: Option<Failed>,
}

/// Of one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(default)]
    pub restarts: u32,
    #[serde(default)]
    pub last: Option<Timestamp>,
    /// How it was wanted the last time.
    #[serde(with = "status")]
    pub desired: DesiredStatus,
}

/// A version that was tried and taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Of its desired properties.
    pub digest: String,
    pub version: u64,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the history of this device cannot be read and begins anew: {reason}")]
pub struct HistoryError {
    pub reason: String,
}

impl History {
    pub fn parse(bytes: &[u8]) -> Result<Self, HistoryError> {
        serde_json::from_slice(bytes).map_err(|error| HistoryError { reason: error.to_string() })
    }

    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }

    pub fn note_restart(&mut self, name: &str, now: Timestamp) {
        let record = self.record(name, DesiredStatus::Running);
        record.restarts = record.restarts.saturating_add(1);
        record.last = Some(now);
    }

    /// It is wanted so from now on; a change forgets what was before.
    pub fn note_wanted(&mut self, name: &str, desired: DesiredStatus) {
        let record = self.record(name, desired);
        if record.desired != desired {
            *record = Record { restarts: 0, last: None, desired };
        }
    }

    pub fn settle(&mut self, name: &str) {
        if let Some(record) = self.modules.get_mut(name) {
            record.restarts = 0;
        }
    }

    fn record(&mut self, name: &str, desired: DesiredStatus) -> &mut Record {
        self.modules.entry(name.to_owned()).or_insert(Record { restarts: 0, last: None, desired })
    }
}

mod status {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::manifest::DesiredStatus;

    pub(super) fn serialize<S: Serializer>(status: &DesiredStatus, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(status.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DesiredStatus, D::Error> {
        let text = String::deserialize(from)?;
        Ok(if text == DesiredStatus::Stopped.as_str() {
            DesiredStatus::Stopped
        } else {
            DesiredStatus::Running
        })
    }
}
