//! The queues of this process, by identity.
//!
//! A queue is here while commands wait in it, somebody waits for it, or it was used since the last
//! sweep: as many as there are identities with commands and open connections.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_model::IdentityId;

use super::queue::Queue;

const SHARDS: usize = 64;

pub(super) struct Table {
    shards: Vec<Mutex<HashMap<IdentityId, Arc<Queue>>>>,
    hasher: RandomState,
}

impl Default for Table {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl Table {
    pub(super) fn get(&self, identity: &IdentityId) -> Arc<Queue> {
        let mut shard = self.shard(identity);
        if let Some(queue) = shard.get(identity) {
            return Arc::clone(queue);
        }
        let queue = Arc::new(Queue::new(identity.clone()));
        shard.insert(identity.clone(), Arc::clone(&queue));
        queue
    }

    pub(super) fn find(&self, identity: &IdentityId) -> Option<Arc<Queue>> {
        self.shard(identity).get(identity).map(Arc::clone)
    }

    pub(super) fn all(&self) -> Vec<Arc<Queue>> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).values().map(Arc::clone).collect::<Vec<_>>())
            .collect()
    }

    /// Forgets what holds nothing and is used by nobody.
    pub(super) fn tidy(&self) {
        for shard in &self.shards {
            lock(shard).retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.is_idle());
        }
    }

    fn shard(&self, identity: &IdentityId) -> MutexGuard<'_, HashMap<IdentityId, Arc<Queue>>> {
        lock(&self.shards[self.hasher.hash_one(identity) as usize % SHARDS])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
