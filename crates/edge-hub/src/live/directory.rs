//! Who is connected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_model::IdentityId;
use tokio::sync::watch;

use super::Live;

/// Whoever waits for an identity is woken when it comes, goes, or listens to something else.
pub(crate) type Seen = watch::Receiver<Option<Arc<Live>>>;

#[derive(Default)]
pub(crate) struct Directory(Mutex<Known>);

type Known = HashMap<IdentityId, watch::Sender<Option<Arc<Live>>>>;

/// As many clients as may be connected are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} clients are connected, which is as many as MaxConnectedClients allows")]
pub(crate) struct Crowded {
    pub(crate) max: usize,
}

impl Directory {
    /// Lets it in; the connection that it had before is returned.
    pub(super) fn enter(&self, live: &Arc<Live>, max: usize) -> Result<Option<Arc<Live>>, Crowded> {
        let mut known = self.known();
        let is_in = |seen: &watch::Sender<Option<Arc<Live>>>| seen.borrow().is_some();
        if !known.get(&live.id).is_some_and(is_in) && known.values().filter(|seen| is_in(seen)).count() >= max
        {
            return Err(Crowded { max });
        }
        let seen = known.entry(live.id.clone()).or_insert_with(|| watch::Sender::new(None));
        Ok(seen.send_replace(Some(Arc::clone(live))))
    }

    /// `false` when a newer connection has its place.
    pub(super) fn leave(&self, live: &Arc<Live>) -> bool {
        let mut known = self.known();
        let Some(seen) = known.get(&live.id) else { return false };
        let is_own = seen.borrow().as_ref().is_some_and(|current| Arc::ptr_eq(current, live));
        if is_own {
            seen.send_replace(None);
        }
        // Only those that somebody waits for have a place.
        known.retain(|_, seen| seen.borrow().is_some() || seen.receiver_count() > 0);
        is_own
    }

    pub(super) fn changed(&self, live: &Arc<Live>) {
        if let Some(seen) = self.known().get(&live.id) {
            seen.send_modify(|_| {});
        }
    }

    pub(crate) fn get(&self, id: &IdentityId) -> Option<Arc<Live>> {
        self.known().get(id).and_then(|seen| seen.borrow().clone())
    }

    pub(crate) fn watch(&self, id: &IdentityId) -> Seen {
        self.known().entry(id.clone()).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.known().values().filter_map(|seen| seen.borrow().clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.known().values().filter(|seen| seen.borrow().is_some()).count()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
