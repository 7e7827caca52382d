//! Files from devices: a device asks for a link, writes a blob through it, and says how that went.
//!
//! ```text
//! begin(device, name) ──► link, correlation id        pending, at most 10 for each device
//!          blob written through the link (rest/storage)
//! complete(id, success) ──► notice for the back end   the id is known for a while, so that it may be told twice
//! ```
//!
//! Where the bytes lie is the business of the [`Blobs`] behind it. What is pending and what is to be told are documents
//! of the device, so they go with it; the blobs stay until somebody deletes them or they are too old.

mod error;
mod link;
mod name;
mod notices;
mod sums;
mod uploads;

pub use error::FileError;
pub use link::{LinkError, LinkKey, Permissions};
pub use name::BlobName;
pub(crate) use notices::LOCK as NOTICE_LOCK;
pub use notices::{Notice, NoticeLease, Notices};
pub use sums::{Crc64, Md5};
pub use uploads::{Begun, Outcome};

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use skerry_model::{Clock, DeviceId, Random, Timestamp};
use skerry_store::blobs::{Blobs, Sweep, Swept};
use skerry_store::documents::{Documents, ReadError};

/// The container that all blobs are said to be in.
pub const CONTAINER: &str = "uploads";

/// Of a link to everything below a device's id, at most.
const FOLDER_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often old things are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Blocks of an upload that nobody finished are kept for so long after the last link to them has ended.
const BLOCKS_KEPT: Duration = Duration::from_secs(24 * 3600);

pub struct FilesOptions {
    pub blobs: Arc<dyn Blobs>,
    pub documents: Arc<dyn Documents>,
    pub key: LinkKey,
    /// How long a link, and the upload that it belongs to, may be used.
    pub link_life: Duration,
    /// Blobs go at this age.
    pub retention: Option<Duration>,
    /// Whether the back end is told of files.
    pub notices: bool,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// Uploads, their blobs and their notices. Cheap to clone.
#[derive(Clone)]
pub struct Files(Arc<Shared>);

struct Shared {
    blobs: Arc<dyn Blobs>,
    documents: Arc<dyn Documents>,
    key: LinkKey,
    link_life: Duration,
    retention: Option<Duration>,
    notices: Option<Notices>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    swept_blobs: AtomicU64,
    swept_blocks: AtomicU64,
}

/// Counters since the process began, and gauges of the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFigures {
    pub begun: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub swept_blobs: u64,
    pub swept_blocks: u64,
    /// Gauge.
    pub notices_waiting: u64,
    /// Notices that nobody settled in time, that were refused too often, or for which there was no room.
    pub notices_dropped: u64,
}

impl Files {
    /// Learns what notices wait.
    pub async fn open(options: FilesOptions) -> Result<Self, ReadError> {
        let FilesOptions { blobs, documents, key, link_life, retention, notices, clock, random } = options;
        let notices = match notices {
            true => Some(Notices::open(&documents, &clock, &random).await?),
            false => None,
        };
        let counts = Counts::default();
        let shared = Shared { blobs, documents, key, link_life, retention, notices, clock, random, counts };
        Ok(Self(Arc::new(shared)))
    }

    /// Removes what is too old from time to time, until `shutdown` is done.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "Old files could not be removed; the next try is in ten minutes.");
            }
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }

    /// Removes what is too old now.
    pub async fn sweep(&self) -> Result<(), FileError> {
        let shared = &self.0;
        let now = shared.clock.now();
        let before = |age: Duration| {
            let ticks = i64::try_from(age.as_nanos() / 100).unwrap_or(i64::MAX);
            Timestamp::from_ticks(now.ticks().saturating_sub(ticks))
        };
        let sweep = Sweep {
            blocks_before: Some(before(shared.link_life.saturating_add(BLOCKS_KEPT))),
            blobs_before: shared.retention.map(before),
        };
        loop {
            let swept = shared.blobs.sweep(sweep).await?;
            if swept == Swept::default() {
                break;
            }
            shared.counts.swept_blobs.fetch_add(swept.blobs, Ordering::Relaxed);
            shared.counts.swept_blocks.fetch_add(swept.blocks, Ordering::Relaxed);
            tracing::info!(blobs = swept.blobs, blocks = swept.blocks, "Old files were removed.");
        }
        match &shared.notices {
            Some(notices) => notices.sweep().await,
            None => Ok(()),
        }
    }

    pub fn blobs(&self) -> &Arc<dyn Blobs> {
        &self.0.blobs
    }

    /// `None` where the back end is not told of files.
    pub fn notices(&self) -> Option<&Notices> {
        self.0.notices.as_ref()
    }

    /// What lets its holder do this much with a blob, as a storage client appends it to the blob's address.
    pub fn link(&self, blob: &BlobName, permissions: Permissions) -> String {
        self.0.key.sign(blob, permissions, self.0.clock.now().plus(self.0.link_life))
    }

    /// What lets its holder put blobs of any name below a device's id, and when that ends.
    pub fn folder_link(&self, device: &DeviceId, life: Option<Duration>) -> (String, Timestamp) {
        let ends = self.0.clock.now().plus(life.unwrap_or(self.0.link_life).min(FOLDER_LIFE_MAX));
        (self.0.key.sign_folder(device, Permissions::DROP, ends), ends)
    }

    /// What the query of a blob's address lets its holder do.
    pub fn permissions(&self, blob: &str, query: Option<&str>) -> Result<Permissions, LinkError> {
        self.0.key.verify(blob, query, self.0.clock.now())
    }

    pub fn figures(&self) -> FileFigures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0.counts;
        let notices = self.0.notices.as_ref();
        FileFigures {
            begun: of(&counts.begun),
            succeeded: of(&counts.succeeded),
            failed: of(&counts.failed),
            swept_blobs: of(&counts.swept_blobs),
            swept_blocks: of(&counts.swept_blocks),
            notices_waiting: notices.map_or(0, Notices::waiting),
            notices_dropped: notices.map_or(0, Notices::dropped),
        }
    }
}
