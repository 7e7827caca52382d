//! Positions that outlive their readers.

use super::{Durability, Partition, Sequence};

/// A cursor's number: small, given by the engine, never given again in one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CursorId(u32);

impl CursorId {
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub fn number(self) -> u32 {
        self.0
    }
}

/// Which records of its partition a cursor reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CursorKind {
    /// All of them.
    #[default]
    Every,
    /// Those that name it: a queue. Only where [`super::Winner::Cursors`] keeps what it wants.
    Wanted,
}

/// Where a new cursor begins. A cursor that exists stays where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    pub partition: Partition,
    pub kind: CursorKind,
    pub from: super::From,
}

/// A cursor as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub id: CursorId,
    pub name: String,
    pub partition: Partition,
    pub kind: CursorKind,
    /// Everything before it is settled.
    pub below: Sequence,
    /// Settled records at or beyond `below`, growing.
    pub settled: Vec<Sequence>,
    /// Records that want it and are not settled (kind `Wanted`).
    pub records: u64,
    /// Their bytes, headers and payload.
    pub bytes: u64,
}

/// What a reader has settled since it last told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything before it is settled; never moves back.
    pub below: Sequence,
    /// Newly settled records at or beyond `below`.
    pub settled: Vec<Sequence>,
    /// How many records this settles, and their bytes; counted for kind `Wanted`.
    pub records: u64,
    pub bytes: u64,
    pub durability: Durability,
}
