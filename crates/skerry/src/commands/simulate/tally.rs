//! What all devices did together, counted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::latency::Latencies;
use crate::failure::Failure;

#[derive(Default)]
pub struct Tally {
    /// Connections that are open now.
    pub connected: AtomicU64,
    /// Devices that were let in at least once.
    pub came_in: AtomicU64,
    /// Tries to connect that failed, and connections that broke off.
    pub failed_tries: AtomicU64,
    pub lost: AtomicU64,
    /// Devices that will not try again.
    pub gave_up: AtomicU64,
    pub sent: AtomicU64,
    pub acknowledged: AtomicU64,
    /// Messages that were due while too many waited for the hub.
    pub held_back: AtomicU64,
    /// From sending a message to its acknowledgement.
    pub acks: Latencies,
    /// From the first packet of TCP to the hub's yes.
    pub connects: Latencies,
    /// The last failure of any device, for the end.
    failure: Mutex<Option<Failure>>,
}

impl Tally {
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub fn of(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }

    pub fn fail(&self, failure: Failure) {
        *self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(failure);
    }

    pub fn take_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    pub fn unacknowledged(&self) -> u64 {
        Self::of(&self.sent).saturating_sub(Self::of(&self.acknowledged))
    }
}
