//! Who may come in: a bound on all connections, and a tighter one on those that have not shown anything yet.
//!
//! A connection before the end of its handshake is *half-open*. It costs an attacker one packet, so there
//! may only be some, in all and per peer address; what is over drops the **oldest** of the same kind. A
//! client in good faith needs a round trip or two and is through before its turn comes, even when it shares
//! its address with the attacker; refusing the newest would lock it out. Established connections over
//! `connections_max` are refused, the newest first: those inside are not disturbed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::figures::Figures;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// All connections of all listeners; overflow refuses the newest.
    pub connections_max: usize,
    /// Connections in their handshake; overflow drops the oldest.
    pub half_open_max: usize,
    /// The same for one peer address; overflow drops the oldest of that peer.
    pub half_open_per_peer_max: usize,
    /// From accepting to the end of the handshake.
    pub handshake_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            half_open_max: 2048,
            half_open_per_peer_max: 512,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

pub(crate) struct Gate {
    pub(super) limits: ConnectionLimits,
    pub(super) figures: Arc<Figures>,
    places: Arc<Semaphore>,
    half_open: Mutex<HalfOpen>,
}

#[derive(Default)]
struct HalfOpen {
    next: u64,
    /// By age: the first is the oldest.
    all: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
    by_peer: HashMap<IpAddr, BTreeSet<u64>>,
}

impl Gate {
    pub(crate) fn new(limits: ConnectionLimits, figures: Arc<Figures>) -> Arc<Self> {
        let places = limits.connections_max.min(Semaphore::MAX_PERMITS);
        let half_open = Mutex::default();
        Arc::new(Self { limits, figures, places: Arc::new(Semaphore::new(places)), half_open })
    }

    /// A place for one connection, given back when dropped.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Registers a handshake, and tells the oldest one to go where there are too many.
    pub(super) fn begin_handshake(self: &Arc<Self>, peer: IpAddr) -> Handshake {
        let evicted = Arc::new(Notify::new());
        let mut half_open = self.half_open();
        let id = half_open.next;
        half_open.next += 1;
        let of_peer = half_open.by_peer.get(&peer);
        let oldest_of_peer = of_peer
            .filter(|ids| ids.len() >= self.limits.half_open_per_peer_max)
            .and_then(|ids| ids.first().copied());
        let too_many = half_open.all.len() >= self.limits.half_open_max;
        let oldest = oldest_of_peer.or_else(|| {
            let oldest = half_open.all.first_key_value().filter(|_| too_many);
            oldest.map(|(id, _)| *id)
        });
        if let Some(told) = oldest.and_then(|oldest| half_open.remove(oldest)) {
            // `notify_one` keeps the word for who is not listening yet.
            told.notify_one();
            self.figures.half_open_dropped.increment();
        }
        half_open.all.insert(id, (peer, Arc::clone(&evicted)));
        half_open.by_peer.entry(peer).or_default().insert(id);
        drop(half_open);
        self.figures.connections_half_open.increment();
        Handshake { gate: Arc::clone(self), id, evicted }
    }

    fn half_open(&self) -> MutexGuard<'_, HalfOpen> {
        self.half_open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HalfOpen {
    fn remove(&mut self, id: u64) -> Option<Arc<Notify>> {
        let (peer, told) = self.all.remove(&id)?;
        if let Some(ids) = self.by_peer.get_mut(&peer) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_peer.remove(&peer);
            }
        }
        Some(told)
    }
}

/// A handshake under way; dropping it ends it.
pub(super) struct Handshake {
    gate: Arc<Gate>,
    id: u64,
    evicted: Arc<Notify>,
}

impl Handshake {
    /// Done when this handshake has to make room.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.gate.half_open().remove(self.id);
        self.gate.figures.connections_half_open.subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(half_open_max: usize, half_open_per_peer_max: usize) -> Arc<Gate> {
        let limits = ConnectionLimits { half_open_max, half_open_per_peer_max, ..Default::default() };
        Gate::new(limits, Arc::default())
    }

    fn is_evicted(handshake: &Handshake) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(handshake.evicted()).poll(&mut context).is_ready()
    }

    #[test]
    fn a_peer_with_too_many_handshakes_loses_its_own_oldest() {
        let (gate, one, other) = (gate(100, 2), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let theirs = gate.begin_handshake(other);
        let mine: Vec<_> = (0..4).map(|_| gate.begin_handshake(one)).collect();
        let evicted: Vec<_> = mine.iter().map(is_evicted).collect();
        assert_eq!(evicted, [true, true, false, false]);
        assert!(!is_evicted(&theirs));
        assert_eq!(gate.figures.half_open_dropped.get(), 2);
    }

    #[test]
    fn too_many_in_all_lose_the_oldest() {
        let gate = gate(3, 100);
        let all: Vec<_> = (0..5).map(|n| gate.begin_handshake(IpAddr::from([10, 0, 0, n]))).collect();
        let evicted: Vec<_> = all.iter().map(is_evicted).collect();
        assert_eq!(evicted, [true, true, false, false, false]);
    }

    #[test]
    fn what_ends_leaves_nothing_behind() {
        let gate = gate(3, 2);
        for n in 0..100 {
            drop(gate.begin_handshake(IpAddr::from([10, 0, 0, n])));
        }
        let half_open = gate.half_open();
        assert!(half_open.all.is_empty() && half_open.by_peer.is_empty());
        assert_eq!((gate.figures.half_open_dropped.get(), gate.figures.connections_half_open.get()), (0, 0));
    }
}
