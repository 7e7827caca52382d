//! What can be committed, and what followers see of it.

use super::{Body, Key, Revision, Update};

/// Changes of one group that happen together.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Every key in `changes` must be of this group.
    pub group: String,
    pub changes: Vec<Change>,
    pub lane: Lane,
}

impl Commit {
    pub fn new(group: impl Into<String>, changes: Vec<Change>) -> Self {
        Self { group: group.into(), changes, lane: Lane::Interactive }
    }

    #[must_use]
    pub fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

/// Imports and fleet-wide jobs use the bulk lane: at most half of each durable group while
/// somebody waits in the other lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    #[default]
    Interactive,
    Bulk,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub key: Key,
    pub expect: Expect,
    pub action: Action,
    /// Opaque bytes for followers, such as the patch that led to this change; may be empty.
    pub note: Vec<u8>,
}

/// What must be true of the key before the commit, or all of it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    Present,
    Revision(Revision),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Writes the whole document, new or not.
    Put(Body),
    /// Rewrites some pieces; refused as a conflict when the document is absent.
    Update(Update),
    /// Gives the document a new revision and changes nothing else; makes two commits that both
    /// look at it exclude each other. Refused as a conflict when the document is absent.
    Touch,
    /// Checks the expectation and writes nothing.
    Check,
    /// Removes the document; no error when it is absent.
    Delete,
    /// Removes every document of the group, in all spaces. Followers get one record a document.
    DeleteGroup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Put,
    Update,
    Delete,
}

/// One change as a follower sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// The commit's revision: several records of one commit share it. Hand the last one seen to
    /// `follow` to continue.
    pub revision: Revision,
    pub key: Key,
    pub kind: ChangeKind,
    pub note: Vec<u8>,
}
