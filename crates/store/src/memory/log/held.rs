//! One cursor: its place, what it wants, and what weakness may make it forget.

use std::collections::BTreeSet;

use super::partition::Stored;
use crate::log::{Cursor, CursorError, CursorId, CursorKind, Durability, Progress, Sequence};

/// What is settled: everything below, and some beyond.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) below: u64,
    settled: BTreeSet<u64>,
}

pub(super) struct Held {
    id: CursorId,
    name: String,
    pub(super) partition: u32,
    pub(super) kind: CursorKind,
    pub(super) place: Place,
    records: u64,
    pub(super) bytes: u64,
    /// Where it was when it was last told durably; only where weakness may bring it back.
    before: Option<Before>,
    may_forget: bool,
}

/// A place to fall back to, and what was counted as settled since.
struct Before {
    place: Place,
    records: u64,
    bytes: u64,
}

impl Place {
    pub(super) fn at(below: u64) -> Self {
        Self { below, settled: BTreeSet::new() }
    }

    pub(super) fn is_open(&self, sequence: u64) -> bool {
        sequence >= self.below && !self.settled.contains(&sequence)
    }

    /// With what a reader tells; what became contiguous is folded in.
    pub(super) fn with(&self, progress: &Progress, settled_max: usize) -> Result<Self, CursorError> {
        let mut below = self.below.max(progress.below.number());
        let mut settled: BTreeSet<u64> = self.settled.range(below..).copied().collect();
        settled.extend(progress.settled.iter().map(|one| one.number()).filter(|&one| one >= below));
        while settled.first() == Some(&below) {
            settled.pop_first();
            below += 1;
        }
        if settled.len() > settled_max {
            return Err(CursorError::TooFarAhead { below: Sequence::from_number(self.below), settled_max });
        }
        Ok(Self { below, settled })
    }
}

impl Held {
    pub(super) fn new(
        id: CursorId,
        name: &str,
        start: (u32, CursorKind),
        below: u64,
        may_forget: bool,
    ) -> Self {
        let (partition, kind) = start;
        let place = Place::at(below);
        let name = name.to_owned();
        Self { id, name, partition, kind, place, records: 0, bytes: 0, before: None, may_forget }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it reads such a record of its partition, settled or not.
    pub(super) fn reads(&self, stored: &Stored) -> bool {
        match self.kind {
            CursorKind::Every => true,
            CursorKind::Wanted => stored.wanted_by.contains(&self.id),
        }
    }

    pub(super) fn wants(&self, sequence: u64, stored: &Stored) -> bool {
        self.place.is_open(sequence) && self.reads(stored)
    }

    /// A record that wants it was placed, or is wanted again.
    pub(super) fn count(&mut self, stored: &Stored) {
        if self.kind == CursorKind::Wanted {
            self.records += 1;
            self.bytes += stored.data_bytes();
        }
    }

    pub(super) fn uncount(&mut self, records: u64, bytes: u64) {
        self.records = self.records.saturating_sub(records);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Takes its new place. `end` is the partition's: at the end nothing is left to count, whatever
    /// was told.
    pub(super) fn move_to(&mut self, place: Place, progress: &Progress, end: u64) {
        let old = std::mem::replace(&mut self.place, place);
        let (records, bytes) = (progress.records.min(self.records), progress.bytes.min(self.bytes));
        if progress.durability == Durability::Synced {
            self.before = None;
        } else if self.may_forget {
            let before = self.before.get_or_insert(Before { place: old, records: 0, bytes: 0 });
            before.records += records;
            before.bytes += bytes;
        }
        self.uncount(records, bytes);
        if self.place.below >= end {
            (self.records, self.bytes) = (0, 0);
        }
    }

    /// What it stands at is not forgotten any more.
    pub(super) fn keep(&mut self) {
        self.before = None;
    }

    /// Goes back to where it was last told durably; returns where it stood.
    pub(super) fn forget(&mut self) -> Option<Place> {
        let before = self.before.take()?;
        self.records += before.records;
        self.bytes += before.bytes;
        Some(std::mem::replace(&mut self.place, before.place))
    }

    pub(super) fn shown(&self) -> Cursor {
        Cursor {
            id: self.id,
            name: self.name.clone(),
            partition: crate::log::Partition::new(self.partition),
            kind: self.kind,
            below: Sequence::from_number(self.place.below),
            settled: self.place.settled.iter().copied().map(Sequence::from_number).collect(),
            records: self.records,
            bytes: self.bytes,
        }
    }
}
