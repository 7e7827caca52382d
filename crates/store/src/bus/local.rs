//! The bus inside one process: a sharded directory and one bounded queue for each owner.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::mail::{Envelope, Hold, NotPosted};
use super::{Address, Bus, Claim, ClaimError, Epoch, Mailbox, RequestError};
use crate::documents::Answer;

const SHARDS: usize = 64;

#[derive(Clone, Debug)]
pub struct LocalBusOptions {
    /// Addresses owned at once; one more claim is refused.
    pub claims_max: usize,
    /// Requests in one owner's mailbox; one more is told `Busy`.
    pub mail_max: usize,
    /// Requests waiting for owners, altogether; one more is told `Busy`.
    pub waiting_max: usize,
}

impl Default for LocalBusOptions {
    fn default() -> Self {
        Self { claims_max: 1_000_000, mail_max: 64, waiting_max: 10_000 }
    }
}

/// The embedded engine of [`Bus`]. Cloning shares it.
#[derive(Clone)]
pub struct LocalBus {
    directory: Arc<Directory>,
}

struct Directory {
    options: LocalBusOptions,
    shards: Vec<Mutex<HashMap<Address, Place>>>,
    hasher: RandomState,
    claims: AtomicUsize,
    waiting: AtomicUsize,
}

/// What is known of one address. Kept after its owner left, so that an older epoch stays refused;
/// forgotten when its shard grows beyond its share of `claims_max` and nobody needs it.
#[derive(Default)]
struct Place {
    newest: Option<Epoch>,
    owner: Option<Arc<Hold>>,
    waiters: usize,
    /// Of whoever waits for an owner.
    arrival: Option<Arc<Notify>>,
}

impl LocalBus {
    pub fn new(options: LocalBusOptions) -> Self {
        let directory = Directory {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            claims: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            options,
        };
        Self { directory: Arc::new(directory) }
    }

    /// Addresses owned now.
    pub fn claims(&self) -> usize {
        self.directory.claims.load(SeqCst)
    }

    /// Requests waiting for an owner now.
    pub fn waiting(&self) -> usize {
        self.directory.waiting.load(SeqCst)
    }

    pub(super) fn take(&self, address: &Address, epoch: Epoch) -> Result<Mailbox, ClaimError> {
        let options = &self.directory.options;
        let hold = Hold::new(Claim { address: address.clone(), epoch });
        let mut shard = self.directory.shard(address);
        self.directory.forget(&mut shard);
        let place = shard.entry(address.clone()).or_default();
        if let Some(held) = place.newest.filter(|held| *held >= epoch) {
            return Err(ClaimError::Stale { held });
        }
        let older = place.owner.take();
        if older.is_none() && self.directory.claims.fetch_add(1, SeqCst) >= options.claims_max {
            self.directory.claims.fetch_sub(1, SeqCst);
            return Err(ClaimError::Full { claims_max: options.claims_max });
        }
        if let Some(older) = older {
            older.end();
        }
        place.newest = Some(epoch);
        place.owner = Some(hold.clone());
        if let Some(arrival) = place.arrival.take() {
            arrival.notify_waiters();
        }
        drop(shard);
        let directory = self.directory.clone();
        let release = Box::new(move |hold: &Hold| directory.release(hold));
        Ok(Mailbox { hold, release, end_delay: 0, finished: false })
    }

    pub(super) async fn ask(
        &self,
        address: &Address,
        payload: Bytes,
        until: Instant,
        answer_by: Instant,
    ) -> Result<Bytes, RequestError> {
        loop {
            let hold = self.owner(address, until).await?;
            let (reply, answer) = oneshot::channel();
            let delivered = Arc::new(AtomicBool::new(false));
            let envelope = Envelope { payload: payload.clone(), reply, delivered: delivered.clone() };
            match hold.post(envelope, self.directory.options.mail_max.max(1)) {
                Ok(()) => {}
                Err(NotPosted::Full(waiting)) => return Err(RequestError::Busy { waiting }),
                Err(NotPosted::Over) => {
                    tokio::task::yield_now().await;
                    continue;
                }
            }
            let answered = timeout_at(answer_by, async {
                tokio::select! {
                    biased;
                    answer = answer => answer.ok(),
                    () = hold.over() => None,
                }
            });
            // When `answer` is dropped the request is withdrawn: whoever finds it passes it over.
            let outcome = answered.await;
            if let Ok(Some(answer)) = outcome {
                return Ok(answer);
            }
            match (outcome.is_ok(), hold.settled(&delivered)) {
                (true, true) => return Err(RequestError::OwnerLost),
                (true, false) => {}
                (false, delivered) => return Err(RequestError::Late { delivered }),
            }
        }
    }

    /// The owner, once there is one.
    async fn owner(&self, address: &Address, until: Instant) -> Result<Arc<Hold>, RequestError> {
        let mut waiting: Option<Waiting<'_>> = None;
        loop {
            let arrival = {
                let mut shard = self.directory.shard(address);
                if let Some(owner) = shard.get(address).and_then(|place| place.owner.clone()) {
                    drop(shard);
                    return Ok(owner);
                }
                if waiting.is_none() {
                    let count = self.directory.waiting.fetch_add(1, SeqCst);
                    if count >= self.directory.options.waiting_max {
                        self.directory.waiting.fetch_sub(1, SeqCst);
                        return Err(RequestError::Busy { waiting: count });
                    }
                    shard.entry(address.clone()).or_default().waiters += 1;
                    waiting = Some(Waiting { directory: &self.directory, address });
                }
                let place = shard.entry(address.clone()).or_default();
                // Made under the lock, so that no arrival is missed.
                place.arrival.get_or_insert_default().clone().notified_owned()
            };
            if timeout_at(until, arrival).await.is_err() {
                return Err(RequestError::NoOwner);
            }
        }
    }
}

/// Counts a request that waits for an owner, and keeps the place of its address.
struct Waiting<'a> {
    directory: &'a Directory,
    address: &'a Address,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.directory.waiting.fetch_sub(1, SeqCst);
        if let Entry::Occupied(mut entry) = self.directory.shard(self.address).entry(self.address.clone()) {
            let place = entry.get_mut();
            place.waiters -= 1;
            if place.waiters == 0 && place.newest.is_none() {
                entry.remove();
            }
        }
    }
}

impl Directory {
    fn shard(&self, address: &Address) -> MutexGuard<'_, HashMap<Address, Place>> {
        let number = self.hasher.hash_one(address) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, hold: &Hold) {
        let mut shard = self.shard(&hold.claim.address);
        let Some(place) = shard.get_mut(&hold.claim.address) else { return };
        if place.owner.as_ref().is_some_and(|owner| owner.claim.epoch == hold.claim.epoch) {
            place.owner = None;
            self.claims.fetch_sub(1, SeqCst);
        }
    }

    fn forget(&self, shard: &mut HashMap<Address, Place>) {
        // Twice the even share, for addresses do not spread evenly.
        if shard.len() > 2 * self.options.claims_max / SHARDS + SHARDS {
            shard.retain(|_, place| place.owner.is_some() || place.waiters > 0);
        }
    }
}

impl Bus for LocalBus {
    fn claim<'a>(&'a self, address: &'a Address, epoch: Epoch) -> Answer<'a, Mailbox, ClaimError> {
        Box::pin(async move { self.take(address, epoch) })
    }

    fn request<'a>(
        &'a self,
        address: &'a Address,
        payload: Bytes,
        until: Instant,
        answer_by: Instant,
    ) -> Answer<'a, Bytes, RequestError> {
        Box::pin(self.ask(address, payload, until, answer_by))
    }

    fn is_owned(&self, address: &Address) -> bool {
        self.directory.shard(address).get(address).is_some_and(|place| place.owner.is_some())
    }
}
