//! Blobs: named bytes that are too large for documents, written whole or composed of blocks, read in ranges.
//!
//! # What every engine promises
//!
//! 1. **A blob is whole.** It appears with all its bytes, or what was there before stays; after a crash too.
//! 2. **What answered is durable.** A blob, a block, a composition, a deletion: kill -9 at any instant loses nothing that
//!    was answered.
//! 3. **Blocks are nobody's yet.** A block belongs to a blob to be, survives restarts, and is seen in [`Blobs::blocks`]
//!    only. Composing takes some of them, a blob written whole takes none; either forgets the others. Blocks that nobody
//!    composes are forgotten by [`Blobs::sweep`].
//! 4. **A read shows one version.** Where that version goes away meanwhile, the read breaks off with
//!    [`ReadError::Gone`]; it never mixes two.
//! 5. **Expectations are judged when the blob appears**, not when its first byte came.
//! 6. **A write that is dropped leaves nothing**, at the latest after the next opening.
//! 7. **Everything is bounded.** Bytes altogether, blocks included ([`WriteError::Full`], reads go on), bytes and blocks of
//!    one blob, blobs, attributes. Memory: a piece for each write and read, and a short entry for each blob and block.
//!
//! Names are any text of 1 to [`NAME_CHARS_MAX`] characters, ordered by bytes; the engine encodes what it must.

mod error;
mod folder;
mod limits;
mod memory;

pub use error::{ReadError, WriteError};
pub use folder::{FolderBlobs, FolderOptions, OpenError};
pub use limits::{ATTRIBUTES_BYTES_MAX, BLOCK_ID_BYTES_MAX, Limits, NAME_CHARS_MAX};
pub use memory::MemoryBlobs;

use std::ops::Range;

use bytes::Bytes;
use skerry_model::Timestamp;

use crate::documents::Answer;

/// What is said of a blob besides its bytes, such as its content type.
pub type Attributes = Vec<(String, String)>;

/// A blob without its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub name: String,
    pub bytes: u64,
    /// Another one each time the name gets other bytes; grows.
    pub version: u64,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub attributes: Attributes,
}

/// What must be true of the name when the blob appears or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    Present,
    Version(u64),
}

impl Expect {
    /// Whether it holds where the name has this version, or none.
    pub fn holds(self, version: Option<u64>) -> bool {
        match self {
            Expect::Anything => true,
            Expect::Absent => version.is_none(),
            Expect::Present => version.is_some(),
            Expect::Version(wanted) => version == Some(wanted),
        }
    }
}

/// The writer's name for a piece of a blob; 1 to [`BLOCK_ID_BYTES_MAX`] bytes.
pub type BlockId = Vec<u8>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub id: BlockId,
    pub bytes: u64,
}

/// Where a composition takes a block from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the blob as it is.
    Composed,
    /// From what was written since.
    Waiting,
    /// From what was written since, else from the blob as it is.
    Latest,
}

/// A blob that is to be made of blocks, in this order.
#[derive(Clone, Debug)]
pub struct Composition {
    pub name: String,
    pub blocks: Vec<(Source, BlockId)>,
    pub attributes: Attributes,
    pub expect: Expect,
}

/// The blocks of a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocks {
    /// In the order of the bytes; empty for a blob that was written whole.
    pub composed: Vec<Block>,
    /// In the order of their ids.
    pub waiting: Vec<Block>,
}

/// What has become old. `None` keeps whatever its age.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweep {
    pub blocks_before: Option<Timestamp>,
    pub blobs_before: Option<Timestamp>,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub blocks: u64,
    pub blobs: u64,
}

/// What an engine holds, and what it refused since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub blobs: u64,
    pub blob_bytes: u64,
    pub blocks_waiting: u64,
    pub blocks_waiting_bytes: u64,
    /// Bytes that are being written now.
    pub writing_bytes: u64,
    pub refused_full: u64,
    /// Blobs that could not be read back.
    pub damaged: u64,
}

/// A store of blobs. The page above is the contract; `tests/it/blobs` checks it.
pub trait Blobs: Send + Sync {
    /// Begins to write bytes for a name. `declared`: how many will come, where that is known; the room for them is
    /// taken at once.
    fn write<'a>(&'a self, name: &'a str, declared: Option<u64>) -> Answer<'a, Box<dyn Writing>, WriteError>;

    /// Makes a blob of blocks that are there.
    fn compose(&self, composition: Composition) -> Answer<'_, Stored, WriteError>;

    fn blocks<'a>(&'a self, name: &'a str) -> Answer<'a, Blocks, ReadError>;

    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Stored>, ReadError>;

    /// Bytes of one version of a blob. The range lies inside of it.
    fn read<'a>(&'a self, stored: &'a Stored, range: Range<u64>) -> Answer<'a, Box<dyn Reading>, ReadError>;

    /// Whether there was one.
    fn delete<'a>(&'a self, name: &'a str, expect: Expect) -> Answer<'a, bool, WriteError>;

    /// Blobs whose names begin so, behind `after`, in the order of their names.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>, ReadError>;

    /// Removes what has become old, a bounded piece at a time: until it removes nothing.
    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept, WriteError>;

    fn limits(&self) -> Limits;

    fn figures(&self) -> Figures;
}

/// Bytes on their way into a store.
pub trait Writing: Send {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, (), WriteError>;

    /// The bytes become the blob.
    fn into_blob(
        self: Box<Self>,
        attributes: Attributes,
        expect: Expect,
    ) -> Answer<'static, Stored, WriteError>;

    /// The bytes become a block, in the place of one with the same id.
    fn into_block(self: Box<Self>, id: BlockId) -> Answer<'static, (), WriteError>;
}

/// Bytes on their way out.
pub trait Reading: Send {
    /// The next piece, of at most 256 KiB; `None` when all of the range was given.
    fn next(&mut self) -> Answer<'_, Option<Bytes>, ReadError>;
}
