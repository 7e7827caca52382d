//! A queue: one cursor of a log, read record by record, settled in any order.
//!
//! What is leased is in flight until it is settled or given back. What was given back is leased
//! again before anything newer. [`Queue::save`] tells the log; a queue that is opened again
//! delivers what was not saved as settled, and skips nothing. It holds a page or two of records
//! and a few numbers for what is in flight, however long the backlog is.

mod lease;
mod ledger;
mod reader;
mod saving;

pub use lease::Queue;
pub use saving::{Saved, Saving};

use super::{CursorError, Durability, ReadError, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// Records that are leased and neither settled nor given back; beyond it leasing waits.
    pub in_flight_max: usize,
    /// Records read ahead, and their bytes.
    pub prefetch_records: usize,
    pub prefetch_bytes: usize,
    /// Settled records that the log was not told of; with so many, leasing tells it first.
    pub unsaved_max: usize,
    /// How well the log is to remember what it is told.
    pub durability: Durability,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            in_flight_max: 1000,
            prefetch_records: 100,
            prefetch_bytes: 256 << 10,
            unsaved_max: 1000,
            durability: Durability::Written,
        }
    }
}

/// A record in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    pub record: Record,
    /// How often it was leased before, since the queue was opened.
    pub leased_before: u32,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LeaseError {
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was settled could not be saved, and there is too much of it.
    #[error(transparent)]
    Save(#[from] CursorError),
}
