//! The log: ordered records in partitions, and cursors over them.
//!
//! # What every engine promises
//!
//! 1. **Each record has one outcome of its own.** Placed (at a sequence), already there, refused
//!    (it is nowhere; the error says why), or [`AppendError::Unknown`]: it may be there.
//! 2. **Who answered "placed" kept it as well as was asked.** [`Durability`] is a floor: `Synced`
//!    survives a power cut, `Written` the end of the process, `Memory` nothing. An engine may do
//!    more than it was asked.
//! 3. **A named record is there once.** Whoever retries uses the same [`Name`] and is told
//!    [`Placed::Already`]. The numbers of a producer may come in any order, as long as a retry is
//!    not more than [`NAMES_WINDOW`] behind the newest: then it is refused as
//!    [`AppendError::Forgotten`], never placed a second time. Producers that were silent for
//!    longest are forgotten first, when there are more than the bound.
//! 4. **Order is kept, failures included.** Records of one batch lie in the order of the batch;
//!    batches of one [`Order`] in the order of the calls. After a record of an order failed, the
//!    later ones fail too, until [`Order::resume`].
//! 5. **Sequences grow.** Each partition counts from 0; there may be gaps, nothing repeats, not
//!    even what a power cut took.
//! 6. **Readers see committed records only**, in order, perhaps late, never with a hole that is
//!    not told: what retention took or a disk damaged is in [`Page::lost`].
//! 7. **Times do not run backwards.** A record's time is that of its commit, and no smaller than
//!    that of the record before it in its partition.
//! 8. **Cursors remember.** A [`Cursor`] is a position, everything below it settled, and a bounded
//!    set of settled records beyond it. What is told with a durability comes back as well as that;
//!    what was lost of it is delivered again, never skipped. Where [`Winner::Cursors`] is named, what
//!    a cursor still wants is removed neither for its age nor for room, only by trimming; what all
//!    of them have settled may go at once. Elsewhere cursors keep nothing, and are told what is lost.
//! 9. **Trimming is a promise to the running process.** What was trimmed is not read again; after a
//!    crash some of it may be back.
//! 10. **A call that is given up is not undone.** Dropping an answer says nothing about what it
//!     was for: a record may be placed, progress may count.
//! 11. **Everything is bounded**: bytes on disk ([`Winner`] names who gives way), bytes and records
//!     that wait (callers wait, then [`AppendError::Busy`] if not [`Batch::patient`]), a record, a batch, a page, partitions,
//!     cursors, producers.
//! 12. **Early records are the exception to 6**, and to nothing else. Readers see a batch with [`Early`]
//!     perhaps before it is as safe as was asked; it is answered as always. What a power cut takes of it
//!     was not answered, and its sequences are not given again.

mod append;
mod cursor;
mod durability;
mod error;
mod figures;
mod limits;
mod names;
mod queue;
mod read;

pub use append::{Batch, Draft, Early, Line, Name, Order, Outcome, Placed, Seen, UnderWay};
pub use cursor::{Cursor, CursorId, CursorKind, Progress, Start};
pub use durability::{CLASSES, Class, Durability, Kind};
pub use error::{AppendError, Broken, Busy, CursorError, Full, Misuse, NoSuchCursor, ReadError, TooLarge};
pub use figures::Figures;
pub use limits::{Limits, Winner};
pub use names::NAMES_WINDOW;
pub(crate) use names::Names;
#[cfg(test)]
pub(crate) use names::Window;
pub use queue::{LeaseError, Leased, Queue, QueueOptions, Saved, Saving};
pub use read::{Extent, From, Loss, Lost, Page, Partition, Reading, Record, Sequence};

use crate::documents::Answer;

/// A log. The page above is the contract; `tests/it/conformance` checks it.
pub trait Log: Send + Sync {
    /// Adds the records of `batch`; one outcome each, in the order of the drafts. The promise of
    /// order starts with the call, not when the answer is first polled.
    fn append(&self, batch: Batch) -> Outcomes<'_>;

    /// One page of committed records.
    fn read(&self, reading: Reading) -> Answer<'_, Page, ReadError>;

    /// Pages from `reading.from` on, each as soon as there is something.
    fn follow(&self, reading: Reading) -> Box<dyn Follower>;

    /// What a partition holds now.
    fn extent(&self, partition: Partition) -> Answer<'_, Extent, ReadError>;

    /// Nobody will ask again for what lies before `before`.
    fn trim(&self, partition: Partition, before: Sequence) -> Answer<'_, (), CursorError>;

    /// The cursor of this name, made now if there is none; durable when it answers.
    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> Answer<'a, Cursor, CursorError>;

    /// Settles records for a cursor. When the disk is full the progress counts in this process and
    /// is written when there is room; the answer is [`CursorError::Full`].
    fn advance(&self, cursor: CursorId, progress: Progress) -> Answer<'_, (), CursorError>;

    /// Forgets a cursor: it wants nothing any more.
    fn drop_cursor(&self, cursor: CursorId) -> Answer<'_, (), CursorError>;

    /// Every cursor as it stands.
    fn cursors(&self) -> Vec<Cursor>;

    /// The bytes that a cursor of kind [`CursorKind::Wanted`] has before it, without the rest.
    fn cursor_bytes(&self, cursor: CursorId) -> Option<u64>;

    /// Counters and gauges, for metrics.
    fn figures(&self) -> Figures;
}

/// One outcome for each draft of a batch.
pub type Outcomes<'a> = std::pin::Pin<Box<dyn Future<Output = Vec<Outcome>> + Send + 'a>>;

/// Reads a partition as it grows. Dropping it costs nobody anything.
pub trait Follower: Send {
    /// The next page: at least one record, or something lost. Waits without polling.
    fn next(&mut self) -> Answer<'_, Page, ReadError>;

    /// Where reading goes on, past all that the reading leaves out. `None` until that is known.
    fn position(&self) -> Option<Sequence>;
}
