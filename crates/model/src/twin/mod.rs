//! The twin: what operators want of a device (desired), what it says of itself (reported), and
//! what operators note about it (tags).
//!
//! Merge rules: a key with a null value is removed, objects merge level by level, everything else
//! (arrays whole, with the nulls inside) replaces what was there. Every node of desired and
//! reported carries a stamp of when it last changed; the wire shows stamps as `$metadata`.

mod check;
mod merge;
mod packed;
mod section;
mod stamps;
mod wire;
mod write;

pub use check::{SectionName, TwinError, check_report, section_bytes};
pub use merge::{merge, without_nulls};
pub use packed::{Packed, PackedError};
pub use section::Section;
pub use stamps::{Stamp, Stamps};
pub use wire::{TwinDocument, device_document, twin_document};
pub use write::{Write, difference};

use base64::Engine as _;
use serde_json::{Map, Value};

use crate::time::Timestamp;

/// The twin of a device or module.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    pub tags: Map<String, Value>,
    pub desired: Section,
    pub reported: Section,
    /// Counts every change of tags, desired or reported.
    pub version: u64,
    /// Counts changes that an operator made: of tags and desired.
    pub etag: u64,
}

/// What an operator sends to change a twin. `None` is a section that was not sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TwinPatch {
    pub tags: Option<Map<String, Value>>,
    pub desired: Option<Map<String, Value>>,
}

impl TwinPatch {
    pub fn is_empty(&self) -> bool {
        self.tags.is_none() && self.desired.is_none()
    }
}

impl Twin {
    /// The twin that a new identity starts with.
    pub fn new(now: Timestamp) -> Self {
        Self {
            tags: Map::new(),
            desired: Section::new(now),
            reported: Section::new(now),
            version: 2,
            etag: 1,
        }
    }

    /// The etag as clients see it, without quotes: base64 of an eight-byte counter.
    pub fn etag_text(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.etag.to_be_bytes())
    }

    /// Merges an operator's patch. On error the twin is unchanged.
    pub fn patch(&mut self, patch: &TwinPatch, now: Timestamp) -> Result<(), TwinError> {
        let mut next = self.clone();
        if let Some(tags) = &patch.tags {
            check::patch(SectionName::Tags, tags)?;
            merge(&mut next.tags, tags);
            check::size(SectionName::Tags, &next.tags)?;
        }
        if let Some(desired) = &patch.desired {
            check::patch(SectionName::Desired, desired)?;
            next.desired.merge_versioned(desired, now);
            check::size(SectionName::Desired, next.desired.properties())?;
        }
        self.accept(next, !patch.is_empty())
    }

    /// Replaces tags and desired properties; a section that was not sent becomes empty.
    pub fn replace(&mut self, with: &TwinPatch, now: Timestamp) -> Result<(), TwinError> {
        let mut next = self.clone();
        let (tags, desired) =
            (with.tags.clone().unwrap_or_default(), with.desired.clone().unwrap_or_default());
        check::patch(SectionName::Tags, &tags)?;
        check::patch(SectionName::Desired, &desired)?;
        next.tags = without_nulls(&tags);
        next.desired.replace_versioned(&desired, now);
        check::size(SectionName::Tags, &next.tags)?;
        check::size(SectionName::Desired, next.desired.properties())?;
        self.accept(next, true)
    }

    /// Writes to places in desired properties, one after the other, as one change. Without any write it is none.
    pub fn write(&mut self, writes: &[Write], now: Timestamp) -> Result<(), TwinError> {
        if writes.is_empty() {
            return Ok(());
        }
        for write in writes {
            match write.alone() {
                Value::Object(alone) => check::patch(SectionName::Desired, &alone)?,
                _ => return Err(TwinError::NotAnObject { path: SectionName::Desired.as_str().to_owned() }),
            }
        }
        let mut next = self.clone();
        next.desired.write_versioned(writes, now);
        check::size(SectionName::Desired, next.desired.properties())?;
        self.accept(next, true)
    }

    /// Merges what the device reports of itself.
    pub fn report(&mut self, patch: &Map<String, Value>, now: Timestamp) -> Result<(), TwinError> {
        check::patch(SectionName::Reported, patch)?;
        let mut next = self.reported.clone();
        next.merge(patch, now);
        check::size(SectionName::Reported, next.properties())?;
        self.reported = next;
        self.version += 1;
        Ok(())
    }

    fn accept(&mut self, next: Twin, changed: bool) -> Result<(), TwinError> {
        *self = next;
        if changed {
            self.version += 1;
            self.etag += 1;
        }
        Ok(())
    }
}
