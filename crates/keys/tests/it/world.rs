//! A directory, a clock that stands, and dice that can be thrown again.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use skerry_keys::{CertificateStore, FileKeyStore, FileOptions, KeyStore, Preloaded};
use skerry_model::{Clock, Random, Timestamp};
use tempfile::TempDir;

pub const DAY: Duration = Duration::from_secs(86_400);

pub struct StandingClock(AtomicI64);

impl StandingClock {
    pub fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(seconds)))
    }

    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_secs()).unwrap(), Ordering::SeqCst);
    }

    pub fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
pub struct Dice(AtomicU64);

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            *byte = (state ^ state >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()[0];
        }
    }
}

pub struct World {
    pub folder: TempDir,
    pub clock: Arc<StandingClock>,
    pub random: Arc<Dice>,
}

impl World {
    /// On the first of July 2026.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: StandingClock::at(1_782_864_000),
            random: Arc::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn keys(&self) -> Arc<FileKeyStore> {
        self.keys_with(BTreeMap::new())
    }

    pub fn keys_with(&self, preloaded: BTreeMap<String, PathBuf>) -> Arc<FileKeyStore> {
        Arc::new(open(&self.path("keys"), preloaded, self.random.clone()))
    }

    pub fn certificates(&self, preloaded: BTreeMap<String, Preloaded>) -> Arc<CertificateStore> {
        Arc::new(CertificateStore::open(self.path("certs"), preloaded).unwrap())
    }
}

pub fn open(directory: &Path, preloaded: BTreeMap<String, PathBuf>, random: Arc<dyn Random>) -> FileKeyStore {
    let owner = std::fs::metadata("/proc/self").unwrap().uid();
    FileKeyStore::open(FileOptions { directory: directory.to_owned(), preloaded, owner, random }).unwrap()
}

/// A store whose named key is these bytes.
pub fn with_key(world: &World, id: &str, bytes: &[u8]) -> Arc<FileKeyStore> {
    let keys = world.keys();
    keys.import_key(id, bytes).unwrap();
    keys
}
