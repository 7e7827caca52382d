//! What can be made to go wrong.

/// Input/output error, and no space left on device, on every Unix.
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

/// An operation of the journal, before it happens.
pub(crate) struct Op<'a> {
    pub(crate) kind: OpKind,
    /// The name under which the file was opened; empty for the directory.
    pub(crate) name: &'a str,
    /// How many of this kind came before it since the disk was mounted.
    pub(crate) nth: u64,
    /// Of reads and writes.
    pub(crate) offset: u64,
    pub(crate) length: usize,
    /// Of syncs, of files and of the directory.
    pub(crate) label: Option<&'a Label>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OpKind {
    Create,
    Open,
    List,
    Rename,
    Remove,
    SyncDirectory,
    Write,
    Read,
    Length,
    Sync,
}

impl OpKind {
    /// After these the disk may be another one; a power cut before the others changes nothing.
    pub(crate) fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::List | Self::Read | Self::Length)
    }
}

/// What happens instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// The operation fails with this number of an error and changes nothing.
    Fail(i32),
    /// A write of so many bytes only.
    Short(usize),
    /// A sync fails, and what it should have written counts as clean from then on. Some of it was
    /// written, by chance.
    FailSync(u64),
    /// A sync says yes and does nothing, as if it were not in the code.
    Lie,
    /// The world ends before the operation.
    Stop,
    /// A sync waits until [`super::Disk::release`].
    Wait,
    /// A sync waits until the test lets it go, and fails.
    WaitToFail(u64),
}

/// Says what becomes of each operation. It must not use the disk.
pub(crate) type Plan = Box<dyn FnMut(&Op<'_>) -> Fault + Send>;

/// Which sync this is: what is known of the moment, for telling kinds of syncs apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label {
    /// As the file was opened; empty for the directory.
    pub(crate) name: String,
    /// How many syncs of this file came before it since the disk was mounted.
    pub(crate) nth: u64,
    /// The file was made since the disk was mounted, rather than found on it.
    pub(crate) made: bool,
    /// The bytes that it writes, from the first to the last.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Writes that it makes durable.
    pub(crate) writes: usize,
    /// What it does to the directory.
    pub(crate) steps: Vec<String>,
}
