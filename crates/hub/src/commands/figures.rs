//! What is counted about commands.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Gauges are of the moment, counters since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Commands that wait or are held.
    pub depth: u64,
    pub enqueued: u64,
    pub completed: u64,
    pub rejected: u64,
    pub expired: u64,
    /// Given up as often as is allowed.
    pub undeliverable: u64,
    pub abandoned: u64,
    /// Delivered again after a lock or a connection had ended.
    pub redelivered: u64,
    pub purged: u64,
    /// Refused because too many waited.
    pub refused_full: u64,
    /// Feedback that waits or is held.
    pub feedback_depth: u64,
    pub feedback_completed: u64,
    /// Too old, or given back too often.
    pub feedback_expired: u64,
    /// Not kept because too much waited.
    pub feedback_dropped: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) depth: AtomicU64,
    pub(super) enqueued: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) undeliverable: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) redelivered: AtomicU64,
    pub(super) purged: AtomicU64,
    pub(super) refused_full: AtomicU64,
    pub(super) feedback_completed: AtomicU64,
    pub(super) feedback_expired: AtomicU64,
    pub(super) feedback_dropped: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, feedback_depth: usize) -> Figures {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        Figures {
            depth: of(&self.depth),
            enqueued: of(&self.enqueued),
            completed: of(&self.completed),
            rejected: of(&self.rejected),
            expired: of(&self.expired),
            undeliverable: of(&self.undeliverable),
            abandoned: of(&self.abandoned),
            redelivered: of(&self.redelivered),
            purged: of(&self.purged),
            refused_full: of(&self.refused_full),
            feedback_depth: feedback_depth as u64,
            feedback_completed: of(&self.feedback_completed),
            feedback_expired: of(&self.feedback_expired),
            feedback_dropped: of(&self.feedback_dropped),
        }
    }
}

pub(super) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Relaxed);
}
