//! Where the file is and what bounds the engine.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    pub path: PathBuf,
    /// A SQLite VFS by name. `None` takes the system's, on Unix in the variant that keeps other
    /// processes out of the file and needs no shared memory beside it.
    pub vfs: Option<String>,
    /// Page cache of all connections together.
    pub cache_bytes: usize,
    /// Threads that read.
    pub readers: usize,
    /// Reads waiting for a thread; more wait outside, then are told [`crate::documents::Busy`].
    pub reads_queued_max: usize,
    /// Changes waiting for the writer, in each lane; more wait outside, then Busy.
    pub changes_queued_max: usize,
    /// Bytes waiting for the writer, in each lane; more wait outside, then Busy.
    pub bytes_queued_max: usize,
    /// How long callers wait outside a full queue.
    pub wait_max: Duration,
    /// Changes in one durable group.
    pub group_changes_max: usize,
    /// Bytes in one durable group.
    pub group_bytes_max: usize,
    /// Changes in one commit; more is a misuse.
    pub commit_changes_max: usize,
    /// Bytes in one commit; more is too large.
    pub commit_bytes_max: usize,
    /// Change records kept for followers; the oldest go, and who wanted them lags.
    pub change_records_max: u64,
    /// Bytes of change records kept, the same.
    pub change_bytes_max: u64,
    /// The size of the file; beyond it commits are told [`crate::documents::Full`].
    pub file_bytes_max: Option<u64>,
    /// The log is folded into the file when it has grown by so much.
    pub checkpoint_bytes: u64,
    /// Whether answers wait for the disk. `false` breaks the second promise of the contract and
    /// is there for the test that proves that the crash tests would notice.
    pub synced: bool,
}

impl EmbeddedOptions {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            vfs: None,
            cache_bytes: 64 << 20,
            readers: std::thread::available_parallelism().map_or(2, NonZero::get).clamp(1, 64),
            reads_queued_max: 10_000,
            changes_queued_max: 10_000,
            bytes_queued_max: 64 << 20,
            wait_max: Duration::from_secs(5),
            group_changes_max: 2_000,
            group_bytes_max: 8 << 20,
            commit_changes_max: 10_000,
            commit_bytes_max: 16 << 20,
            change_records_max: 200_000,
            change_bytes_max: 256 << 20,
            file_bytes_max: None,
            checkpoint_bytes: 4 << 20,
            synced: true,
        }
    }

    /// Bounds that would contradict each other are put right: what one commit may hold, the queue
    /// must be able to hold.
    pub(super) fn settled(mut self) -> Self {
        self.readers = self.readers.max(1);
        self.reads_queued_max = self.reads_queued_max.clamp(1, u32::MAX as usize >> 4);
        self.commit_changes_max = self.commit_changes_max.clamp(1, u32::MAX as usize >> 4);
        self.commit_bytes_max = self.commit_bytes_max.clamp(1, u32::MAX as usize >> 4);
        self.changes_queued_max =
            self.changes_queued_max.clamp(self.commit_changes_max, u32::MAX as usize >> 3);
        self.bytes_queued_max = self.bytes_queued_max.clamp(self.commit_bytes_max, u32::MAX as usize >> 3);
        self
    }

    /// The VFS that is asked for.
    pub(super) fn vfs_name(&self) -> Option<&str> {
        self.vfs.as_deref().or(cfg!(unix).then_some("unix-excl"))
    }
}
