//! What can go wrong, whose fault it is, and whether to try again.

use super::{CursorId, Sequence};

/// Room did not appear for as long as a caller is let wait. Nothing was added; try again later.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the log has {queued_bytes} bytes waiting; try again later")]
pub struct Busy {
    pub queued_bytes: u64,
}

/// There is no room. Nothing was added; it goes on by itself when there is room again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Full {
    #[error("the disk of the log is full; free some space, it goes on by itself")]
    Disk,
    #[error(
        "the log holds {bytes} of at most {bytes_max} bytes that its readers still want; \
         it goes on when they have read, or with a larger cap"
    )]
    Cap { bytes: u64, bytes_max: u64 },
}

/// Beyond a bound of the log: the sender's fault, not to be tried again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} of {size} is over the bound of {size_max}")]
pub struct TooLarge {
    pub what: &'static str,
    pub size: u64,
    pub size_max: u64,
}

/// The log cannot be written any more; the process should stop and be looked at.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the log failed: {what}; check the disk, then restart")]
pub struct Broken {
    pub what: String,
}

/// No cursor has this number (any more).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the log has no cursor {}", id.number())]
pub struct NoSuchCursor {
    pub id: CursorId,
}

/// The caller broke the contract: a bug.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the log was used wrongly: {what}")]
pub struct Misuse {
    pub what: String,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// It may be there or not. A second try with the same name settles it.
    #[error("whether the record was added is not known; send it again under the same name")]
    Unknown,
    /// A record before it in the same order failed; resume and send both again.
    #[error("a record before this one was not added; resume, then send both again")]
    AfterFailure,
    /// Too old to know whether it is there; it is not added a second time.
    #[error(
        "record {number} is too far behind {newest}, the newest of its producer, to be told from a repetition"
    )]
    Forgotten { number: u64, newest: u64 },
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    NoSuchCursor(#[from] NoSuchCursor),
    #[error(transparent)]
    Misuse(#[from] Misuse),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the log is shutting down")]
    Closed,
}

impl AppendError {
    /// Whether the same record, sent again later, may be placed.
    pub fn is_worth_a_retry(&self) -> bool {
        matches!(self, Self::Unknown | Self::AfterFailure | Self::Busy(_) | Self::Full(_) | Self::Closed)
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CursorError {
    #[error(transparent)]
    NoSuchCursor(#[from] NoSuchCursor),
    /// More settled records beyond the position than are kept; settle the first.
    #[error("more than {settled_max} records beyond {below} would be settled; settle that one first")]
    TooFarAhead { below: Sequence, settled_max: usize },
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// It counts in this process and is written when there is room.
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the log is shutting down")]
    Closed,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Misuse(#[from] Misuse),
    #[error("the log is shutting down")]
    Closed,
}

impl From<ReadError> for CursorError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Busy(busy) => Self::Busy(busy),
            ReadError::Broken(broken) => Self::Broken(broken),
            ReadError::Misuse(misuse) => Self::Misuse(misuse),
            ReadError::Closed => Self::Closed,
        }
    }
}
