//! Our side: the embedded log, with the options that hub and edge have but for its cap.

use std::path::Path;
use std::sync::Arc;

use skerry_model::{Clock, Random, Timestamp};
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{Figures, Limits, Log, Winner};

use crate::disk;
use crate::meter::Trouble;
use crate::taken::Wrote;

/// More than any section writes, and a bound for the disk all the same.
const ROOM: u64 = 11 << 30;

/// Closed when it is dropped.
pub(crate) struct Ours {
    journal: Arc<Journal>,
    disk: disk::Device,
}

impl Ours {
    pub(crate) fn open(path: &Path) -> Result<Self, Trouble> {
        Self::with(path, Winner::Retention, ROOM)
    }

    /// A log whose records wait for their readers.
    pub(crate) fn queue(path: &Path) -> Result<Self, Trouble> {
        Self::with(path, Winner::Cursors, ROOM)
    }

    pub(crate) fn with(path: &Path, winner: Winner, bytes_max: u64) -> Result<Self, Trouble> {
        let files = Arc::new(Directory::hold(path)?);
        let mut options = JournalOptions::new(files, Arc::new(Machine), Arc::new(Machine));
        options.limits = Limits { winner, bytes_max, ..Limits::default() };
        Ok(Self { journal: Arc::new(Journal::open(options)?), disk: disk::Device::of(path) })
    }

    pub(crate) fn log(&self) -> Arc<dyn Log> {
        self.journal.clone()
    }

    pub(crate) fn device(&self) -> &disk::Device {
        &self.disk
    }

    pub(crate) fn figures(&self) -> Figures {
        self.journal.figures()
    }

    /// What was written since `before`.
    pub(crate) fn wrote_since(&self, before: &Figures) -> Wrote {
        let after = self.figures();
        Wrote {
            bytes: after.written_bytes - before.written_bytes,
            writes: after.groups - before.groups,
            syncs: after.syncs - before.syncs,
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.journal.close();
    }
}

/// The bytes of a file are the same whatever its cap; a cap's files are smaller.
pub(crate) fn segment_bytes(bytes_max: u64) -> u64 {
    (64 << 20).min(bytes_max / 16)
}

/// The machine's clock and randomness.
struct Machine;

impl Clock for Machine {
    #[expect(clippy::disallowed_methods, reason = "a bench is a program of the shell")]
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now();
        Timestamp::from_unix(now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

impl Random for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the machine has randomness");
    }
}
