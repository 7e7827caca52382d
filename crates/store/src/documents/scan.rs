//! Walking documents in key order, a page at a time.

use std::sync::Arc;

use super::{Document, Narrow, Revision, Space};

/// Decides whether a document belongs to the answer. Runs inside the engine, must not block.
pub type Accept = Arc<dyn Fn(&Document) -> bool + Send + Sync>;

/// Where a walk stands: the group and name of the last document looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub group: String,
    pub name: String,
}

/// A question. `Scan::all(space)` walks everything; narrow it from there.
#[derive(Clone)]
pub struct Scan {
    pub space: Space,
    /// Only this group.
    pub group: Option<String>,
    pub narrow: Narrow,
    /// `None` accepts every document that `narrow` lets through, taking it as exact.
    pub accept: Option<Accept>,
    /// Continue behind this document, whether or not it still exists.
    pub after: Option<Position>,
    /// At most this many documents in the page.
    pub limit: usize,
    /// At most this many documents looked at, so that one question has a bounded cost.
    pub examine_max: usize,
    /// At most this many bytes of bodies in the page (one document always fits).
    pub bytes_max: usize,
    pub at_least: Option<Revision>,
}

impl Scan {
    pub fn all(space: Space) -> Self {
        Self {
            space,
            group: None,
            narrow: Narrow::All,
            accept: None,
            after: None,
            limit: 1000,
            examine_max: 100_000,
            bytes_max: 8 << 20,
            at_least: None,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub documents: Vec<Document>,
    /// Where to go on; `None` when the walk has reached the end. A page may be empty and still
    /// have a next one, when the bound on documents looked at came first.
    pub next: Option<Position>,
    /// The state that was shown, or an older bound on it.
    pub revision: Revision,
}
