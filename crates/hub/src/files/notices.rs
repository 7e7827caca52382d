//! Notices for the back end that a file is there: a queue with locks, as other readers of the hub have it.
//!
//! A notice is a document of its device, committed together with the end of its upload. What order they have, who holds
//! which and until when is in memory; a lock dies with the process, and its notice is given out again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use skerry_model::{Clock, DeviceId, Random, Timestamp};
use skerry_store::blobs::Stored;
use skerry_store::documents::{Action, Body, Change, Commit, Documents, Expect, Json, Key, ReadError, Scan};

use tokio::sync::Notify;

use super::{CONTAINER, FileError};
use crate::registry::{RegistryError, settle};
use crate::spaces::{FILE_NOTICES, file_notice_key};

/// How long a notice is kept for somebody to take it.
const LIFE: Duration = Duration::from_secs(3600);
pub(crate) const LOCK: Duration = Duration::from_secs(60);
/// Times that a notice is given out before it is dropped.
const DELIVERIES_MAX: u32 = 10;
/// Notices that wait; the oldest go, counted.
const WAITING_MAX: usize = 10_000;

const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// In the words of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub device_id: String,
    pub blob_uri: String,
    pub blob_name: String,
    pub last_updated_time: Timestamp,
    pub blob_size_in_bytes: u64,
    pub enqueued_time_utc: Timestamp,
}

impl Notice {
    pub(super) fn new(device: &DeviceId, host: &str, stored: &Stored, now: Timestamp) -> Self {
        let path = utf8_percent_encode(&stored.name, PATH);
        Self {
            device_id: device.to_string(),
            blob_uri: format!("https://{host}/{CONTAINER}/{path}"),
            blob_name: stored.name.clone(),
            last_updated_time: stored.modified,
            blob_size_in_bytes: stored.bytes,
            enqueued_time_utc: now,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    notice: Notice,
    ends: Timestamp,
    deliveries: u32,
}

impl Kept {
    fn body(&self) -> Body {
        let value = serde_json::to_value(self).expect("texts and times are JSON");
        Body { identity: Json::encode(&value), ..Body::default() }
    }
}

/// A notice for somebody who has until the lock's end to settle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeLease {
    pub lock: String,
    pub notice: Notice,
    /// How often it is given out with this.
    pub deliveries: u32,
}

/// A notice on its way into the queue.
pub(super) struct Added {
    key: Key,
    kept: Kept,
}

impl Added {
    pub(super) fn change(&self) -> Change {
        let action = Action::Put(self.kept.body());
        Change { key: self.key.clone(), expect: Expect::Anything, action, note: Vec::new() }
    }
}

struct Waiting {
    key: Key,
    ends: Timestamp,
    deliveries: u32,
    lock: Option<(String, Timestamp)>,
}

/// The queue.
pub struct Notices {
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// By name, which is the order in which they came.
    waiting: Mutex<BTreeMap<String, Waiting>>,
    /// Rings when there may be one to give out.
    bell: Notify,
    dropped: AtomicU64,
}

impl Notices {
    pub(super) async fn open(
        documents: &Arc<dyn Documents>,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Self, ReadError> {
        let mut waiting = BTreeMap::new();
        let mut scan = Scan { at_least: Some(documents.latest().await?), ..Scan::all(FILE_NOTICES) };
        loop {
            let page = documents.scan(scan.clone()).await?;
            for document in page.documents {
                let kept =
                    document.body.identity.decode().ok().and_then(|value| serde_json::from_value(value).ok());
                let Some(Kept { ends, deliveries, .. }) = kept else { continue };
                let name = document.key.name.clone();
                waiting.insert(name, Waiting { key: document.key, ends, deliveries, lock: None });
            }
            match page.next {
                Some(next) => scan.after = Some(next),
                None => break,
            }
        }
        Ok(Self {
            documents: Arc::clone(documents),
            clock: Arc::clone(clock),
            random: Arc::clone(random),
            waiting: Mutex::new(waiting),
            bell: Notify::new(),
            dropped: AtomicU64::new(0),
        })
    }

    pub(super) fn prepare(&self, device: &DeviceId, notice: &Notice) -> Added {
        let now = notice.enqueued_time_utc;
        let mut salt = [0; 8];
        self.random.fill(&mut salt);
        let name = format!("{:016x}{:016x}", now.ticks(), u64::from_be_bytes(salt));
        let kept = Kept { notice: notice.clone(), ends: now.plus(LIFE), deliveries: 0 };
        Added { key: file_notice_key(device, &name), kept }
    }

    /// Its document is there.
    pub(super) async fn add(&self, added: Added) {
        let Added { key, kept } = added;
        let oldest = {
            let mut waiting = self.queue();
            let entry = Waiting { key: key.clone(), ends: kept.ends, deliveries: 0, lock: None };
            waiting.insert(key.name, entry);
            if waiting.len() > WAITING_MAX { waiting.pop_first().map(|(_, oldest)| oldest.key) } else { None }
        };
        self.bell.notify_waiters();
        if let Some(key) = oldest {
            tracing::warn!("Nobody takes file notices: the oldest of {WAITING_MAX} is dropped.");
            self.drop_quietly(key).await;
        }
    }

    /// The oldest that nobody holds.
    pub async fn lease(&self) -> Result<Option<NoticeLease>, FileError> {
        loop {
            self.sweep().await?;
            let Some((name, key, lock)) = self.take() else { return Ok(None) };
            let at_least = Some(self.documents.revision());
            let document = self.documents.get(&key, at_least).await.map_err(RegistryError::from)?;
            let value = document.and_then(|document| document.body.identity.decode().ok());
            let kept: Option<Kept> = value.and_then(|value| serde_json::from_value(value).ok());
            let mut waiting = self.queue();
            match (kept, waiting.get(&name)) {
                (Some(kept), Some(entry)) => {
                    return Ok(Some(NoticeLease { lock, notice: kept.notice, deliveries: entry.deliveries }));
                }
                // It went with its device.
                _ => drop(waiting.remove(&name)),
            }
        }
    }

    /// Locks the oldest that may be given out.
    fn take(&self) -> Option<(String, Key, String)> {
        let now = self.clock.now();
        let mut waiting = self.queue();
        let (name, entry) = waiting.iter_mut().find(|(_, entry)| entry.is_free(now))?;
        let mut id = [0; 16];
        self.random.fill(&mut id);
        let lock = format!("{:032x}", u128::from_be_bytes(id));
        entry.lock = Some((lock.clone(), now.plus(LOCK)));
        entry.deliveries += 1;
        Some((name.clone(), entry.key.clone(), lock))
    }

    pub async fn complete(&self, lock: &str) -> Result<(), FileError> {
        let (name, key) = self.held(lock)?;
        self.delete(key).await?;
        self.queue().remove(&name);
        Ok(())
    }

    /// Gives it back for the next one who asks.
    pub async fn abandon(&self, lock: &str) -> Result<(), FileError> {
        let (name, key) = self.held(lock)?;
        let at_least = Some(self.documents.revision());
        let document = self.documents.get(&key, at_least).await.map_err(RegistryError::from)?;
        let value = document.and_then(|document| document.body.identity.decode().ok());
        if let Some(mut kept) = value.and_then(|value| serde_json::from_value::<Kept>(value).ok()) {
            kept.deliveries = self.queue().get(&name).map_or(kept.deliveries, |entry| entry.deliveries);
            let action = Action::Put(kept.body());
            let change = Change { key: key.clone(), expect: Expect::Present, action, note: Vec::new() };
            // Of no consequence where it is gone meanwhile.
            settle(self.documents.as_ref(), Commit::new(key.group, vec![change])).await?;
        }
        if let Some(entry) = self.queue().get_mut(&name) {
            entry.lock = None;
        }
        self.bell.notify_waiters();
        Ok(())
    }

    /// Whoever held it is gone: it was not given out.
    pub(crate) fn release(&self, lock: &str) {
        let Ok((name, _)) = self.held(lock) else { return };
        if let Some(entry) = self.queue().get_mut(&name) {
            entry.lock = None;
            entry.deliveries = entry.deliveries.saturating_sub(1);
        }
        self.bell.notify_waiters();
    }

    /// Done when there may be one to give out. Between two calls nothing is missed: whoever finds
    /// nothing to lease waits for what came since.
    pub(crate) async fn wait(&self) {
        loop {
            let mut rung = std::pin::pin!(self.bell.notified());
            rung.as_mut().enable();
            match self.until_one_is_free() {
                Some(Duration::ZERO) => return,
                Some(wait) => tokio::select! {
                    () = rung => {}
                    () = tokio::time::sleep(wait) => {}
                },
                None => rung.await,
            }
        }
    }

    /// `None`: nobody knows when.
    fn until_one_is_free(&self) -> Option<Duration> {
        let now = self.clock.now();
        let waiting = self.queue();
        let until = |entry: &Waiting| match &entry.lock {
            Some((_, until)) if now < *until => Some(until.since(now)),
            _ if entry.is_free(now) => Some(Duration::ZERO),
            _ => None,
        };
        waiting.values().filter_map(until).min()
    }

    /// Drops what is too old or was given out too often.
    pub(super) async fn sweep(&self) -> Result<(), FileError> {
        let now = self.clock.now();
        let mut gone = Vec::new();
        self.queue().retain(|_, entry| {
            let is_over = entry.is_over(now);
            if is_over {
                gone.push(entry.key.clone());
            }
            !is_over
        });
        for key in gone {
            self.drop_quietly(key).await;
        }
        Ok(())
    }

    pub(super) fn waiting(&self) -> u64 {
        self.queue().len() as u64
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn held(&self, lock: &str) -> Result<(String, Key), FileError> {
        let now = self.clock.now();
        let waiting = self.queue();
        let holds =
            |entry: &Waiting| entry.lock.as_ref().is_some_and(|(held, until)| held == lock && now < *until);
        let found = waiting.iter().find(|(_, entry)| holds(entry));
        found.map(|(name, entry)| (name.clone(), entry.key.clone())).ok_or(FileError::LockLost)
    }

    async fn drop_quietly(&self, key: Key) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.delete(key).await {
            // It is dropped again after the next start.
            tracing::warn!(%error, "A file notice that is over could not be removed.");
        }
    }

    async fn delete(&self, key: Key) -> Result<(), FileError> {
        let group = key.group.clone();
        let change = Change { key, expect: Expect::Anything, action: Action::Delete, note: Vec::new() };
        settle(self.documents.as_ref(), Commit::new(group, vec![change])).await?;
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_locked(&self, now: Timestamp) -> bool {
        self.lock.as_ref().is_some_and(|(_, until)| now < *until)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        !self.is_locked(now) && (now >= self.ends || self.deliveries >= DELIVERIES_MAX)
    }

    fn is_free(&self, now: Timestamp) -> bool {
        !self.is_locked(now) && !self.is_over(now)
    }
}
