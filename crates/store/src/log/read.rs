//! What comes out.

use std::fmt;

use bytes::Bytes;
use skerry_model::Timestamp;

use super::CursorId;

/// A partition's number, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u32);

impl Partition {
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    pub fn number(self) -> u32 {
        self.0
    }
}

/// A record's place in its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    pub const ZERO: Sequence = Sequence(0);

    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// With the oldest that is there.
    #[default]
    Oldest,
    /// With whatever comes after this call.
    Newest,
    /// With this one, or the first after it that is there.
    Sequence(Sequence),
    /// With the first of this time or later. Where a page finds none, ask for the same time again:
    /// what comes behind the page may be older. Followers do.
    Time(Timestamp),
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub partition: Partition,
    pub from: From,
    /// Only records that this cursor wants.
    pub wanted_by: Option<CursorId>,
    /// The page ends with so many records, or bytes of headers and payload; the engine's own
    /// bounds hold too, and one record always fits.
    pub records_max: usize,
    pub bytes_max: usize,
}

impl Reading {
    pub fn new(partition: Partition, from: From) -> Self {
        Self { partition, from, wanted_by: None, records_max: 1000, bytes_max: 1 << 20 }
    }

    #[must_use]
    pub fn wanted_by(mut self, cursor: CursorId) -> Self {
        self.wanted_by = Some(cursor);
        self
    }

    #[must_use]
    pub fn at_most(mut self, records_max: usize, bytes_max: usize) -> Self {
        (self.records_max, self.bytes_max) = (records_max, bytes_max);
        self
    }
}

/// A committed record. Its bytes are slices of a larger block: copy what is kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub sequence: Sequence,
    pub time: Timestamp,
    pub headers: Bytes,
    pub payload: Bytes,
}

/// Why records cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Retention or trimming removed them.
    Removed,
    /// The disk did not give back what was written.
    Damaged,
}

/// Sequences that cannot be read any more; some of them may never have had a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub from: Sequence,
    /// Exclusive.
    pub to: Sequence,
    pub why: Loss,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub records: Vec<Record>,
    /// Go on from here.
    pub next: Sequence,
    /// What lies between where reading began and `next`, and cannot be read.
    pub lost: Vec<Lost>,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The oldest record there may be.
    pub first: Sequence,
    /// What the next record gets, or more. Equal to `first` when there is none.
    pub next: Sequence,
    /// The time of the newest record ever; zero before the first.
    pub newest: Timestamp,
}

impl Extent {
    pub fn is_empty(&self) -> bool {
        self.first >= self.next
    }
}
