//! Feedback that waits to be read, oldest first, and the batches that readers hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skerry_model::Timestamp;
use skerry_store::documents::{Document, Key};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::record::Record;
use crate::commands::lock::LockToken;

/// Records of one batch.
pub(super) const BATCH_MAX: usize = 64;
/// How long a batch that is not full waits for more.
const GATHERING: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(in crate::commands) struct Waiting {
    state: Mutex<State>,
    pub(super) bell: Notify,
}

#[derive(Default)]
struct State {
    slots: BTreeMap<Place, Slot>,
    batches: HashMap<LockToken, Batch>,
}

/// In the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    enqueued: Timestamp,
    pub(super) key: Key,
}

struct Slot {
    /// When it goes out even in a small batch.
    gathered_at: Instant,
    expires: Timestamp,
    held_by: Option<LockToken>,
}

#[derive(Clone)]
struct Batch {
    places: Vec<Place>,
    until: Instant,
    is_settled: bool,
}

impl Waiting {
    pub(in crate::commands) fn add(&self, key: &Key, record: &Record) {
        self.insert(key, record, Instant::now() + GATHERING);
    }

    /// At opening: it waited long enough.
    pub(in crate::commands) fn find(&self, document: &Document) {
        if let Some(record) = Record::read(document) {
            self.insert(&document.key, &record, Instant::now());
        }
    }

    fn insert(&self, key: &Key, record: &Record, gathered_at: Instant) {
        let place = Place { enqueued: record.enqueued, key: key.clone() };
        let slot = Slot { gathered_at, expires: record.expires, held_by: None };
        self.state().slots.entry(place).or_insert(slot);
        self.bell.notify_waiters();
    }

    pub(in crate::commands) fn len(&self) -> usize {
        self.state().slots.len()
    }

    /// What the next batch would hold; empty while it is not time.
    pub(super) fn next(&self, now: Timestamp) -> Vec<Place> {
        let mut state = self.state();
        let moment = Instant::now();
        state.batches.retain(|_, batch| batch.until > moment);
        let free = state.slots.iter().filter(|(_, slot)| slot.expires > now && state.is_free(slot));
        let free: Vec<(&Place, &Slot)> = free.take(BATCH_MAX).collect();
        let is_time = free.len() >= BATCH_MAX || free.iter().any(|(_, slot)| slot.gathered_at <= moment);
        if is_time { free.into_iter().map(|(place, _)| place.clone()).collect() } else { Vec::new() }
    }

    /// Holds them, unless somebody was faster with one.
    pub(super) fn hold(&self, places: Vec<Place>, token: LockToken, lock: Duration) -> bool {
        let mut state = self.state();
        let are_free =
            places.iter().all(|place| state.slots.get(place).is_some_and(|slot| state.is_free(slot)));
        if !are_free {
            return false;
        }
        for place in &places {
            if let Some(slot) = state.slots.get_mut(place) {
                slot.held_by = Some(token);
            }
        }
        let until = Instant::now() + lock;
        state.batches.insert(token, Batch { places, until, is_settled: false });
        true
    }

    /// From now on whoever asked settles it.
    pub(super) fn begin(&self, token: LockToken, lock: Duration) -> Option<Vec<Place>> {
        let mut state = self.state();
        let now = Instant::now();
        let batch = state.batches.get_mut(&token)?;
        if batch.until <= now || std::mem::replace(&mut batch.is_settled, true) {
            return None;
        }
        // Should nobody see the end, it comes again after that.
        batch.until = now + lock;
        Some(batch.places.clone())
    }

    /// Whoever held it does not any more.
    pub(super) fn free(&self, token: LockToken) {
        self.state().batches.remove(&token);
        self.bell.notify_waiters();
    }

    /// The same, unless it is being settled.
    pub(super) fn release(&self, token: LockToken) {
        let mut state = self.state();
        if state.batches.get(&token).is_some_and(|batch| !batch.is_settled) {
            state.batches.remove(&token);
        }
        drop(state);
        self.bell.notify_waiters();
    }

    pub(super) fn remove<'a>(&self, places: impl IntoIterator<Item = &'a Place>) {
        let mut state = self.state();
        for place in places {
            state.slots.remove(place);
        }
    }

    /// What nobody has read in time, a bounded number at once.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<Place> {
        const AT_ONCE: usize = 1024;
        let state = self.state();
        let expired = state.slots.iter().filter(|(_, slot)| slot.expires <= now && state.is_free(slot));
        expired.map(|(place, _)| place.clone()).take(AT_ONCE).collect()
    }

    /// When there may be a batch; `None`: when the bell rings.
    pub(super) fn moment(&self, now: Timestamp) -> Option<Instant> {
        let state = self.state();
        let mut free = state.slots.values().filter(|slot| slot.expires > now && state.is_free(slot));
        let gathered = free.clone().map(|slot| slot.gathered_at).min();
        if free.nth(BATCH_MAX - 1).is_some() {
            return Some(Instant::now());
        }
        gathered.into_iter().chain(state.batches.values().map(|batch| batch.until)).min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_free(&self, slot: &Slot) -> bool {
        let held = slot.held_by.and_then(|token| self.batches.get(&token));
        held.is_none_or(|batch| batch.until <= Instant::now())
    }
}
