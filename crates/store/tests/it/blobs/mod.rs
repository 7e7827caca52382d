//! The contract of `blobs`, as functions over any store, on the memory engine and on a folder.

mod contract;
mod folder;
mod kill;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use skerry_model::{Clock, Timestamp};
use skerry_store::blobs::{
    Blobs, Expect, FolderBlobs, FolderOptions, Limits, MemoryBlobs, ReadError, Stored, WriteError,
};

/// A clock that stands still until it is told to go.
struct Stopped(AtomicI64);

impl Stopped {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(Timestamp::from_unix_seconds(1_800_000_000).ticks())))
    }

    fn pass(&self, by: Duration) {
        let later = self.now().plus(by);
        self.0.store(later.ticks(), Ordering::SeqCst);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_ticks(self.0.load(Ordering::SeqCst))
    }
}

/// A store, and the clock that it reads.
struct World {
    blobs: Arc<dyn Blobs>,
    clock: Arc<Stopped>,
}

impl World {
    fn memory(limits: Limits) -> Self {
        let clock = Stopped::new();
        Self { blobs: Arc::new(MemoryBlobs::new(limits, Arc::<Stopped>::clone(&clock))), clock }
    }

    fn folder(path: &Path, limits: Limits) -> Self {
        let clock = Stopped::new();
        Self { blobs: Arc::new(open(path, limits, &clock)), clock }
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<Stored, WriteError> {
        self.put_if(name, bytes, Expect::Anything).await
    }

    async fn put_if(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Stored, WriteError> {
        let mut writing = self.blobs.write(name, Some(bytes.len() as u64)).await?;
        for piece in bytes.chunks(1000) {
            writing.write(piece.to_vec().into()).await?;
        }
        writing.into_blob(vec![("kind".to_owned(), "test".to_owned())], expect).await
    }

    async fn block(&self, name: &str, id: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let mut writing = self.blobs.write(name, None).await?;
        writing.write(bytes.to_vec().into()).await?;
        writing.into_block(id.into()).await
    }

    async fn read(&self, stored: &Stored, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let mut reading = self.blobs.read(stored, range).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = reading.next().await? {
            assert!(!piece.is_empty() && piece.len() <= 256 * 1024);
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// All bytes of what has the name now.
    async fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let stored = self.blobs.find(name).await.unwrap()?;
        Some(self.read(&stored, 0..stored.bytes).await.unwrap())
    }

    async fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let page = self.blobs.list(prefix, after, limit).await.unwrap();
        page.into_iter().map(|stored| stored.name).collect()
    }
}

fn open(path: &Path, limits: Limits, clock: &Arc<Stopped>) -> FolderBlobs {
    let clock = Arc::<Stopped>::clone(clock);
    FolderBlobs::open(FolderOptions { path: path.to_owned(), limits, clock }).unwrap()
}

fn small() -> Limits {
    Limits { bytes_max: 10_000, blob_bytes_max: 5_000, blocks_max: 3, blobs_max: 4 }
}

macro_rules! on_both_engines {
    ($($check:ident $limits:expr),* $(,)?) => {
        mod in_memory {
            use super::*;
            $(#[tokio::test] async fn $check() { contract::$check(World::memory($limits)).await; })*
        }
        mod in_a_folder {
            use super::*;
            $(#[tokio::test] async fn $check() {
                let directory = tempfile::tempdir().unwrap();
                contract::$check(World::folder(&directory.path().join("blobs"), $limits)).await;
            })*
        }
    };
}

on_both_engines! {
    what_is_written_comes_back_whole_and_in_ranges Limits::default(),
    a_blob_is_seen_when_it_is_finished_and_not_before Limits::default(),
    a_blob_is_made_of_the_blocks_that_are_named Limits::default(),
    blocks_are_taken_from_where_the_list_says Limits::default(),
    expectations_decide_when_the_blob_appears Limits::default(),
    a_read_shows_one_version_or_breaks_off Limits::default(),
    names_of_any_kind_are_kept_apart_and_in_order Limits::default(),
    what_is_old_goes Limits::default(),
    bounds_refuse_and_reads_go_on small(),
    room_comes_back small(),
}
