//! Documents: keys with indexed JSON parts and opaque bytes, compared and set in groups.
//!
//! # What every engine promises
//!
//! 1. **A commit is whole.** The changes of one [`Commit`] belong to one group and happen
//!    together or not at all, after a crash too. Nothing is promised across groups.
//! 2. **A commit that answered is durable.** `Ok` comes after the bytes are as safe as the engine
//!    can make them (embedded: after fsync). Kill -9 at any instant loses nothing that was answered.
//! 3. **Three outcomes.** Committed, refused (nothing changed; the error says why), or
//!    [`CommitError::Unknown`]: it may have happened. Then the caller asks [`Documents::latest`],
//!    reads with it and decides; expectations make a blind second try harmless.
//! 4. **Revisions are opaque.** Every commit has one, larger than all before it. Compare them for
//!    equality, or ask "at least this one". They may have gaps and never repeat.
//! 5. **Reads may be late, never wrong.** Without `at_least` a read may show an older state; with
//!    it, the state at that revision or a later one. One document is never shown half-changed.
//! 6. **Pages have no cursor.** A scan goes in key order and continues after a key. A document
//!    that exists during the whole walk appears exactly once, whatever else is inserted or
//!    deleted between pages, restarts included. No transaction is held between pages.
//! 7. **Narrowing never decides.** [`Narrow`] may let an engine skip documents that cannot match;
//!    `accept` decides. An engine that ignores `Narrow` gives the same answer.
//! 8. **Following is complete or says so.** A follower sees every change in commit order with the
//!    note its committer gave, starting at a revision; or it gets [`FollowError::Lagged`] and
//!    resyncs. The change record commits with the document. The same change may come twice. All
//!    records of one commit come in one batch. A follower that lagged goes on from `resume`.
//! 9. **Everything is bounded.** Commit queue (in changes and bytes; overflow: callers wait, then
//!    [`CommitError::Busy`]), read queue (the same), change records kept (oldest go; followers lag),
//!    documents per scan, bytes per document, indexes.
//!
//! Expectations are judged against the state before the commit, then its actions happen in order.
//! Every change that changes something leaves one record, a touch too (as an update with nothing
//! new); a check and a deletion of nothing leave none.
//!
//! Keys are any UTF-8 text, case-sensitive, ordered by bytes; the engine encodes what it must.

mod change;
mod document;
mod error;
mod exact;
pub(crate) mod index;
mod jsonb;
pub(crate) mod judge;
mod narrow;
mod scan;

pub use change::{Action, Change, ChangeKind, ChangeRecord, Commit, Expect, Lane};
pub use document::{Body, Document, Key, Part, Revision, Space, Update};
pub use error::{
    Busy, CommitError, Conflict, Damaged, FollowError, Full, Lagged, Late, Misuse, ReadError, TooLarge,
};
pub use index::{INDEX_FIELDS_MAX, INDEXES_MAX, IndexState};
pub use jsonb::{JSON_DEPTH_MAX, Json, JsonError};
pub use narrow::{Comparison, Field, Literal, Narrow, Step};
pub use scan::{Accept, Page, Position, Scan};

use std::future::Future;
use std::pin::Pin;

/// What the traits of this crate return: a future that can be sent and named.
pub type Answer<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// A store of documents. The page above is the contract; `tests/it/conformance` checks it.
pub trait Documents: Send + Sync {
    /// The document under `key`, or `None`.
    fn get<'a>(&'a self, key: &'a Key, at_least: Option<Revision>)
    -> Answer<'a, Option<Document>, ReadError>;

    /// Many documents in one go, in the order of `keys`.
    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        at_least: Option<Revision>,
    ) -> Answer<'a, Vec<Option<Document>>, ReadError>;

    /// Makes every change of `commit`, or none.
    fn commit(&self, commit: Commit) -> Answer<'_, Revision, CommitError>;

    /// One page of documents in key order.
    fn scan(&self, scan: Scan) -> Answer<'_, Page, ReadError>;

    /// How many documents a scan would find, without carrying them out of the engine.
    /// `after` and the limits of the scan are ignored.
    fn count(&self, scan: Scan) -> Answer<'_, u64, ReadError>;

    /// Every change after `from` (exclusive), in order.
    fn follow(&self, from: Revision) -> Box<dyn Follower>;

    /// The newest revision that any commit answered with or a reader has seen.
    fn revision(&self) -> Revision;

    /// A revision that is at or behind every commit that ended before this call, those that ended
    /// as [`CommitError::Unknown`] included: read with it to learn what became of one.
    fn latest(&self) -> Answer<'_, Revision, ReadError>;

    /// Asks for an index on `fields` of `space`; scans may be slow until it is built, never wrong.
    /// The engine builds it aside, a bounded piece at a time. Asking twice is one index.
    fn declare_index<'a>(&'a self, space: Space, fields: &'a [Field]) -> Answer<'a, (), CommitError>;

    /// Forgets an index: of no use from now on, removed aside. No error when there is none.
    fn drop_index<'a>(&'a self, space: Space, fields: &'a [Field]) -> Answer<'a, (), CommitError>;

    /// The declared indexes and how far they are.
    fn indexes(&self) -> Vec<IndexState>;

    /// Counters and gauges, for metrics.
    fn figures(&self) -> Figures;
}

/// Reads changes in order. Dropping it costs nobody anything.
pub trait Follower: Send {
    /// The next changes, at least one; waits for them without polling.
    fn next(&mut self) -> Answer<'_, Vec<ChangeRecord>, FollowError>;
}

/// What an engine counts. Gauges are of the moment, counters since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Commits answered with success.
    pub commits: u64,
    /// Commits refused by an expectation.
    pub conflicts: u64,
    /// Groups of commits made durable together; one fsync each.
    pub groups: u64,
    /// Commits waiting for their turn.
    pub queued: u64,
    /// Bytes waiting for their turn.
    pub queued_bytes: u64,
    /// Commits turned away because the queue was full for too long.
    pub turned_away: u64,
    /// Groups of commits refused because the disk was full.
    pub full: u64,
    /// Reads waiting for their turn.
    pub reads_queued: u64,
    /// Reads turned away because the queue was full for too long.
    pub reads_turned_away: u64,
    /// Documents read, one by one or in scans.
    pub reads: u64,
    /// Documents looked at by scans.
    pub examined: u64,
}
