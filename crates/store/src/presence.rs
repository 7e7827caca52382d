//! Who is connected, since when, and what waits for them.
//!
//! Beside the documents and never in them: it changes with every message and is worth nothing
//! after the process that saw it. A number that grows with each start, the process epoch, stands
//! in front of every connection's epoch; when it changes, all that was known is void.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use skerry_model::Timestamp;

use crate::bus::{Address, Epoch};

const SHARDS: usize = 64;

#[derive(Clone, Debug)]
pub struct PresenceOptions {
    /// Identities known at once. One more is refused with [`PresenceFull`] and counted.
    pub identities_max: usize,
}

impl Default for PresenceOptions {
    fn default() -> Self {
        Self { identities_max: 2_000_000 }
    }
}

/// What is known of one identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Presence {
    pub connected: bool,
    /// When `connected` last changed; `None` when it was never seen to.
    pub changed_at: Option<Timestamp>,
    pub last_activity: Option<Timestamp>,
    /// Messages waiting for the identity.
    pub queued: u64,
}

/// The table has as many identities as it may; nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the presence of {identities_max} identities is known, which is the bound")]
pub struct PresenceFull {
    pub identities_max: usize,
}

/// The presence of all identities of a hub.
pub struct PresenceTable {
    options: PresenceOptions,
    shards: Vec<Mutex<HashMap<Address, Record>>>,
    hasher: RandomState,
    process: AtomicU64,
    known: AtomicUsize,
    connected: AtomicU64,
    refused: AtomicU64,
}

struct Record {
    epoch: Option<Epoch>,
    presence: Presence,
}

impl PresenceTable {
    /// `process` is the epoch of this start.
    pub fn new(options: PresenceOptions, process: u64) -> Self {
        Self {
            options,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            process: AtomicU64::new(process),
            known: AtomicUsize::new(0),
            connected: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// A new process epoch: everything that was known is void. The same or an older one changes
    /// nothing.
    pub fn renew(&self, process: u64) {
        if self.process.fetch_max(process, Relaxed) >= process {
            return;
        }
        for shard in &self.shards {
            let gone = std::mem::take(&mut *lock(shard));
            self.known.fetch_sub(gone.len(), Relaxed);
            let connected = gone.values().filter(|record| record.presence.connected).count();
            self.connected.fetch_sub(connected as u64, Relaxed);
        }
    }

    /// A connection is up. Answers whether that is news; an older epoch never is.
    pub fn connected(&self, identity: &Address, epoch: Epoch, at: Timestamp) -> Result<bool, PresenceFull> {
        let fresh = self.with(identity, |record| {
            if !self.current(epoch) || record.epoch.is_some_and(|known| known >= epoch) {
                return false;
            }
            record.epoch = Some(epoch);
            if !record.presence.connected {
                self.connected.fetch_add(1, Relaxed);
                record.presence.connected = true;
                record.presence.changed_at = Some(at);
            }
            record.presence.last_activity = Some(at).max(record.presence.last_activity);
            true
        })?;
        Ok(fresh)
    }

    /// A connection is down. Changes nothing when a newer one has taken its place.
    pub fn disconnected(&self, identity: &Address, epoch: Epoch, at: Timestamp) -> bool {
        let mut shard = self.shard(identity);
        let Some(record) = shard.get_mut(identity) else { return false };
        if !record.presence.connected || record.epoch.is_none_or(|known| known > epoch) {
            return false;
        }
        record.epoch = Some(epoch);
        record.presence.connected = false;
        record.presence.changed_at = Some(at);
        record.presence.last_activity = Some(at).max(record.presence.last_activity);
        self.connected.fetch_sub(1, Relaxed);
        true
    }

    /// The identity did something.
    pub fn active(&self, identity: &Address, at: Timestamp) -> Result<(), PresenceFull> {
        self.with(identity, |record| {
            record.presence.last_activity = Some(at).max(record.presence.last_activity);
        })
    }

    /// So many messages wait for the identity.
    pub fn queued(&self, identity: &Address, count: u64) -> Result<(), PresenceFull> {
        self.with(identity, |record| record.presence.queued = count)
    }

    /// Never seen is not connected, never active, nothing queued.
    pub fn get(&self, identity: &Address) -> Presence {
        self.shard(identity).get(identity).map_or(Presence::UNKNOWN, |record| record.presence)
    }

    /// How many identities are connected now.
    pub fn connected_count(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    /// How many identities are known.
    pub fn known_count(&self) -> usize {
        self.known.load(Relaxed)
    }

    /// How often an identity was refused because the table was full.
    pub fn refused_count(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// The identity was deleted.
    pub fn forget(&self, identity: &Address) {
        if let Some(record) = self.shard(identity).remove(identity) {
            self.known.fetch_sub(1, Relaxed);
            self.connected.fetch_sub(u64::from(record.presence.connected), Relaxed);
        }
    }

    fn current(&self, epoch: Epoch) -> bool {
        epoch.process >= self.process.load(Relaxed)
    }

    fn with<T>(&self, identity: &Address, change: impl FnOnce(&mut Record) -> T) -> Result<T, PresenceFull> {
        let mut shard = self.shard(identity);
        if let Some(record) = shard.get_mut(identity) {
            return Ok(change(record));
        }
        let identities_max = self.options.identities_max;
        if self.known.fetch_add(1, Relaxed) >= identities_max {
            self.known.fetch_sub(1, Relaxed);
            self.refused.fetch_add(1, Relaxed);
            return Err(PresenceFull { identities_max });
        }
        let record =
            shard.entry(identity.clone()).or_insert(Record { epoch: None, presence: Presence::UNKNOWN });
        Ok(change(record))
    }

    fn shard(&self, identity: &Address) -> MutexGuard<'_, HashMap<Address, Record>> {
        lock(&self.shards[self.hasher.hash_one(identity) as usize % SHARDS])
    }
}

impl Presence {
    const UNKNOWN: Presence = Presence { connected: false, changed_at: None, last_activity: None, queued: 0 };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> Timestamp {
        format!("2026-01-01T00:00:{second:02}Z").parse().unwrap()
    }

    fn epoch(process: u64, connection: u64) -> Epoch {
        Epoch { process, connection }
    }

    #[test]
    fn a_stale_epoch_changes_nothing() {
        let table = PresenceTable::new(PresenceOptions::default(), 5);
        let device = Address::device("a");
        assert_eq!(table.get(&device), Presence::UNKNOWN);
        assert_eq!(table.connected(&device, epoch(5, 1), at(1)), Ok(true));
        assert_eq!(table.connected(&device, epoch(5, 2), at(2)), Ok(true));
        assert_eq!(table.connected(&device, epoch(5, 1), at(3)), Ok(false));
        assert!(!table.disconnected(&device, epoch(5, 1), at(4)));
        let known = table.get(&device);
        assert_eq!(
            (known.connected, known.changed_at, known.last_activity),
            (true, Some(at(1)), Some(at(2)))
        );
        assert_eq!(table.connected_count(), 1);
        assert!(table.disconnected(&device, epoch(5, 2), at(5)));
        assert!(!table.disconnected(&device, epoch(5, 2), at(6)));
        assert_eq!((table.connected_count(), table.get(&device).changed_at), (0, Some(at(5))));
        assert_eq!(table.connected(&Address::module("a", "m"), epoch(4, 9), at(7)), Ok(false));
        assert_eq!(table.connected_count(), 0);
    }

    #[test]
    fn a_new_process_voids_what_was_known() {
        let table = PresenceTable::new(PresenceOptions::default(), 1);
        let device = Address::device("a");
        assert_eq!(table.connected(&device, epoch(1, 1), at(1)), Ok(true));
        table.renew(1);
        assert_eq!(table.connected_count(), 1);
        table.renew(2);
        assert_eq!((table.connected_count(), table.known_count()), (0, 0));
        assert_eq!(table.get(&device), Presence::UNKNOWN);
        assert_eq!(table.connected(&device, epoch(1, 2), at(2)), Ok(false));
        assert_eq!(table.connected(&device, epoch(2, 1), at(2)), Ok(true));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_on_request() {
        let table = PresenceTable::new(PresenceOptions { identities_max: 2 }, 1);
        let [a, b, c] = ["a", "b", "c"].map(Address::device);
        table.active(&a, at(9)).unwrap();
        table.active(&a, at(3)).unwrap();
        table.queued(&b, 7).unwrap();
        assert_eq!(table.connected(&c, epoch(1, 1), at(1)), Err(PresenceFull { identities_max: 2 }));
        assert_eq!((table.refused_count(), table.known_count()), (1, 2));
        assert_eq!((table.get(&a).last_activity, table.get(&b).queued), (Some(at(9)), 7));
        table.forget(&a);
        table.forget(&a);
        assert_eq!(table.connected(&c, epoch(1, 1), at(1)), Ok(true));
        table.forget(&c);
        assert_eq!((table.connected_count(), table.known_count()), (0, 1));
    }
}
