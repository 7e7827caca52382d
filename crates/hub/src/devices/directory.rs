//! The connections of this process, by identity.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_store::bus::Epoch;

use super::live::Live;

const SHARDS: usize = 64;

/// As many entries as there are claims on the bus, which bounds them.
pub(super) struct Directory {
    shards: Vec<Shard>,
    hasher: RandomState,
}

/// By device: the device's own connection and those of its modules.
type Shard = Mutex<HashMap<String, Vec<Listed>>>;

struct Listed {
    epoch: Epoch,
    live: Arc<Live>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), hasher: RandomState::new() }
    }
}

impl Directory {
    /// Lists a connection, unless a newer one of the same identity is there.
    pub(super) fn insert(&self, epoch: Epoch, live: &Arc<Live>) {
        let mut shard = self.shard(live.device.as_str());
        // Most devices have no modules.
        let of_device = shard.entry(live.device.as_str().to_owned()).or_insert_with(|| Vec::with_capacity(1));
        let listed = Listed { epoch, live: Arc::clone(live) };
        match of_device.iter_mut().find(|known| known.live.module == live.module) {
            Some(known) if known.epoch < epoch => *known = listed,
            Some(_) => {}
            None => of_device.push(listed),
        }
    }

    pub(super) fn remove(&self, epoch: Epoch, live: &Live) {
        let mut shard = self.shard(live.device.as_str());
        let Entry::Occupied(mut of_device) = shard.entry(live.device.as_str().to_owned()) else { return };
        of_device.get_mut().retain(|known| known.epoch != epoch);
        if of_device.get().is_empty() {
            of_device.remove();
        }
    }

    /// The connections of a device and its modules.
    pub(super) fn of_device(&self, device: &str) -> Vec<Arc<Live>> {
        let shard = self.shard(device);
        let listed = shard.get(device).into_iter().flatten();
        listed.map(|listed| Arc::clone(&listed.live)).collect()
    }

    /// Everybody, a shard at a time.
    pub(super) fn each(&self, mut visit: impl FnMut(&Arc<Live>)) {
        for shard in &self.shards {
            let listed = shard.lock().unwrap_or_else(PoisonError::into_inner);
            listed.values().flatten().for_each(|listed| visit(&listed.live));
        }
    }

    fn shard(&self, device: &str) -> MutexGuard<'_, HashMap<String, Vec<Listed>>> {
        let number = self.hasher.hash_one(device) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
