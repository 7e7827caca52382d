//! A document: one key, four JSON parts that can be indexed, and two pieces of opaque bytes.

use std::fmt;

use super::Json;

/// A family of documents, such as devices or modules. The owner of the store gives the numbers
/// their names and never reuses one: they are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(u8);

impl Space {
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    pub fn number(self) -> u8 {
        self.0
    }
}

/// Where a document lives. Keys sort by space, group, name, each by bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub space: Space,
    /// What commits together, such as a device with its modules.
    pub group: String,
    /// The document inside its group; empty for the group's head.
    pub name: String,
}

impl Key {
    pub fn new(space: Space, group: impl Into<String>, name: impl Into<String>) -> Self {
        Self { space, group: group.into(), name: name.into() }
    }
}

/// The moment of a commit in the store's own order. Opaque: compare for equality, or ask for
/// "at least".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// Before every commit.
    pub const ZERO: Revision = Revision(0);

    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The JSON parts of a document, each stored and updated alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Identity,
    Tags,
    Desired,
    Reported,
}

impl Part {
    pub const ALL: [Part; 4] = [Part::Identity, Part::Tags, Part::Desired, Part::Reported];
}

/// Everything a document holds besides its key and revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    pub identity: Json,
    pub tags: Json,
    pub desired: Json,
    pub reported: Json,
    /// Opaque, usually small and often rewritten (versions, packed twin metadata).
    pub packed: Vec<u8>,
    /// Opaque and secret (encrypted keys).
    pub sealed: Vec<u8>,
}

impl Body {
    pub fn part(&self, part: Part) -> &Json {
        match part {
            Part::Identity => &self.identity,
            Part::Tags => &self.tags,
            Part::Desired => &self.desired,
            Part::Reported => &self.reported,
        }
    }
}

/// New values for some pieces of a document; `None` leaves a piece as it is, and what is left
/// is neither written nor indexed again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    pub identity: Option<Json>,
    pub tags: Option<Json>,
    pub desired: Option<Json>,
    pub reported: Option<Json>,
    pub packed: Option<Vec<u8>>,
    pub sealed: Option<Vec<u8>>,
}

impl Update {
    /// Puts the new pieces in the place of the old ones.
    pub fn apply(self, body: &mut Body) {
        let parts = [
            (&mut body.identity, self.identity),
            (&mut body.tags, self.tags),
            (&mut body.desired, self.desired),
            (&mut body.reported, self.reported),
        ];
        for (part, new) in parts {
            if let Some(new) = new {
                *part = new;
            }
        }
        for (piece, new) in [(&mut body.packed, self.packed), (&mut body.sealed, self.sealed)] {
            if let Some(new) = new {
                *piece = new;
            }
        }
    }
}

/// A document as it was at `revision`, the commit that last wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub key: Key,
    pub revision: Revision,
    pub body: Body,
}
