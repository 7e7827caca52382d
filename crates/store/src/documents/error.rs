//! What can go wrong, whose fault it is, and whether to try again.

use super::{Key, Revision};

/// An expectation did not hold; nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key:?} is at {found:?}, which is not what the commit expects; read it again and decide anew")]
pub struct Conflict {
    pub key: Key,
    /// The revision of the document now; `None` when it is absent.
    pub found: Option<Revision>,
}

/// The queue stayed full for as long as the caller was ready to wait; nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the document store has {queued} requests waiting; try again later")]
pub struct Busy {
    pub queued: u64,
}

/// The disk has no room; nothing was changed, reads go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the disk of the document store is full; free some space, it goes on by itself")]
pub struct Full;

/// A document beyond the engine's bound.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a commit of {bytes} bytes is over the bound of {bytes_max}")]
pub struct TooLarge {
    pub bytes: usize,
    pub bytes_max: usize,
}

/// The caller broke the contract (a key of another group, an index too many): a bug.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the document store was used wrongly: {what}")]
pub struct Misuse {
    pub what: String,
}

/// The engine's files cannot be read or written; the process should stop and be looked at.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the document store failed: {what}; check the disk, then restart or restore a backup")]
pub struct Damaged {
    pub what: String,
}

/// The asked-for revision was not seen in time.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the store has not reached revision {wanted} yet (it is at {seen}); try again")]
pub struct Late {
    pub wanted: Revision,
    pub seen: Revision,
}

/// The follower is further behind than records are kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("some changes before {resume} are gone; read the documents anew and follow from there")]
pub struct Lagged {
    /// Follow from here, after reading every document that matters.
    pub resume: Revision,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// It may have happened or not. Read again with a fresh view and decide.
    #[error("the outcome of the commit is not known; read again")]
    Unknown,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    Misuse(#[from] Misuse),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the document store is shutting down")]
    Closed,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Late(#[from] Late),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the document store is shutting down")]
    Closed,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Lagged(#[from] Lagged),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the document store is shutting down")]
    Closed,
}
