//! Letters that their endpoints have before they are durable, and whose senders wait.
//!
//! ```text
//!  appended ──► seen (sequences) ──► pumps ──► settled by every endpoint ──┐
//!      └──────────────────────────────────────► durable ───────────────────┴── whichever is first: done
//! ```

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use skerry_store::log::{CursorId, Draft, Early, Seen, Sequence};
use tokio::sync::Notify;

/// A module that takes letters has mostly done with one by then, and nobody needs the disk for it.
const LINGER: Duration = Duration::from_millis(2);
/// Endpoints of one letter, as far as they are counted; the log allows no more.
const ENDPOINTS_MAX: usize = 64;

/// Letters that are seen, and not durable, nor settled by all.
#[derive(Default)]
pub(crate) struct Unsettled {
    letters: Mutex<BTreeMap<Sequence, Letter>>,
    /// Queues before modules that take letters now.
    taken: RwLock<HashSet<CursorId>>,
}

struct Letter {
    wanted_by: Arc<[CursorId]>,
    /// A bit for each of those that are done with it.
    settled: u64,
    sending: Arc<Sending>,
}

/// The letters of one call.
pub(crate) struct Sending {
    unsettled: Arc<Unsettled>,
    wanted_by: Vec<Arc<[CursorId]>>,
    /// Those that somebody still has.
    left: AtomicUsize,
    are_settled: Notify,
    seen: Mutex<SeenAt>,
}

#[derive(Default)]
struct SeenAt {
    sequences: Vec<Sequence>,
    /// Nobody waits any more.
    is_over: bool,
}

impl Unsettled {
    /// Letters that are about to be appended.
    pub(crate) fn begin(self: &Arc<Self>, drafts: &[Draft]) -> Awaited {
        let wanted_by: Vec<_> = drafts.iter().map(|draft| Arc::clone(&draft.wanted_by)).collect();
        Awaited(Arc::new(Sending {
            unsettled: Arc::clone(self),
            left: AtomicUsize::new(wanted_by.len()),
            wanted_by,
            are_settled: Notify::new(),
            seen: Mutex::default(),
        }))
    }

    /// A queue has done with a letter, whatever became of it.
    pub(crate) fn settled(&self, sequence: Sequence, queue: CursorId) {
        let mut letters = self.letters();
        let Some(letter) = letters.get_mut(&sequence) else { return };
        let Some(at) = letter.wanted_by.iter().position(|wants| *wants == queue) else { return };
        letter.settled |= 1 << at;
        if letter.settled.count_ones() as usize != letter.wanted_by.len() {
            return;
        }
        let Some(Letter { sending, .. }) = letters.remove(&sequence) else { return };
        drop(letters);
        if sending.left.fetch_sub(1, SeqCst) == 1 {
            sending.are_settled.notify_one();
        }
    }

    /// Whether somebody takes letters out of these queues at the moment.
    pub(crate) fn takes(&self, queues: impl Iterator<Item = CursorId>, is_so: bool) {
        let mut taken = self.taken.write().unwrap_or_else(PoisonError::into_inner);
        for queue in queues {
            let _ = if is_so { taken.insert(queue) } else { taken.remove(&queue) };
        }
    }

    fn letters(&self) -> MutexGuard<'_, BTreeMap<Sequence, Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen for Sending {
    fn seen(self: Arc<Self>, sequences: &[Sequence]) {
        if sequences.len() != self.wanted_by.len()
            || self.wanted_by.iter().any(|all| all.len() > ENDPOINTS_MAX)
        {
            // Something failed: whoever waits is told by the log.
            return;
        }
        let mut seen = self.places();
        if seen.is_over {
            return;
        }
        seen.sequences = sequences.to_vec();
        let mut letters = self.unsettled.letters();
        for (sequence, wanted_by) in sequences.iter().zip(&self.wanted_by) {
            let (wanted_by, sending) = (Arc::clone(wanted_by), Arc::clone(&self));
            letters.insert(*sequence, Letter { wanted_by, settled: 0, sending });
        }
    }
}

impl Sending {
    fn places(&self) -> MutexGuard<'_, SeenAt> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While somebody waits for a call's letters.
pub(crate) struct Awaited(Arc<Sending>);

impl Awaited {
    /// How the log is to treat them.
    pub(crate) fn early(&self) -> Early {
        let sending = &self.0;
        let taken = sending.unsettled.taken.read().unwrap_or_else(PoisonError::into_inner);
        let mut queues = sending.wanted_by.iter().flat_map(|all| all.iter());
        let is_urgent = queues.clone().any(|queue| taken.contains(queue));
        let linger =
            if is_urgent && queues.all(|queue| taken.contains(queue)) { LINGER } else { Duration::ZERO };
        Early { seen: Arc::clone(sending) as _, is_urgent, linger }
    }

    /// Done when every endpoint has settled all of them; only after they were seen.
    pub(crate) async fn settled(&self) {
        self.0.are_settled.notified().await;
    }

    /// Whether endpoints may have had them.
    pub(crate) fn are_seen(&self) -> bool {
        !self.0.places().sequences.is_empty()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut seen = self.0.places();
        seen.is_over = true;
        let mut letters = self.0.unsettled.letters();
        for sequence in std::mem::take(&mut seen.sequences) {
            letters.remove(&sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(numbers: &[u32]) -> Arc<[CursorId]> {
        numbers.iter().copied().map(CursorId::from_number).collect()
    }

    fn drafts(all: &[&[u32]]) -> Vec<Draft> {
        all.iter().map(|numbers| Draft { wanted_by: queues(numbers), ..Draft::default() }).collect()
    }

    fn at(number: u64) -> Sequence {
        Sequence::from_number(number)
    }

    async fn is_settled(awaited: &Awaited) -> bool {
        tokio::time::timeout(Duration::ZERO, awaited.settled()).await.is_ok()
    }

    #[tokio::test]
    async fn every_endpoint_has_to_settle_every_letter_once() {
        let unsettled = Arc::new(Unsettled::default());
        let awaited = unsettled.begin(&drafts(&[&[1, 2], &[2]]));
        // Of another run of the log, or of somebody else's letter.
        unsettled.settled(at(7), CursorId::from_number(1));
        awaited.early().seen.seen(&[at(7), at(8)]);
        for (sequence, queue) in [(7, 2), (7, 2), (8, 1), (8, 2), (9, 1)] {
            unsettled.settled(at(sequence), CursorId::from_number(queue));
            assert!(!is_settled(&awaited).await, "{sequence} by {queue}");
        }
        unsettled.settled(at(7), CursorId::from_number(1));
        assert!(is_settled(&awaited).await);
        assert!(unsettled.letters().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_kept_for_who_does_not_wait() {
        let unsettled = Arc::new(Unsettled::default());
        let awaited = unsettled.begin(&drafts(&[&[1]]));
        let early = awaited.early();
        early.seen.clone().seen(&[at(1)]);
        assert!(awaited.are_seen() && unsettled.letters().len() == 1);
        drop(awaited);
        assert!(unsettled.letters().is_empty());
        // It went before the log saw its letters.
        early.seen.seen(&[at(2)]);
        assert!(unsettled.letters().is_empty());
    }

    #[test]
    fn only_who_is_quick_makes_the_log_linger() {
        let unsettled = Arc::new(Unsettled::default());
        let early = |queues: &[u32]| {
            let Early { is_urgent, linger, .. } = unsettled.begin(&drafts(&[queues])).early();
            (is_urgent, linger)
        };
        assert_eq!(early(&[1, 2]), (false, Duration::ZERO));
        unsettled.takes(queues(&[1]).iter().copied(), true);
        assert_eq!((early(&[1, 2]), early(&[1])), ((true, Duration::ZERO), (true, LINGER)));
        unsettled.takes(queues(&[1]).iter().copied(), false);
        assert_eq!(early(&[1]), (false, Duration::ZERO));
    }
}
