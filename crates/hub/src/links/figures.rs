//! What is counted about links.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Gauges are of the moment, counters since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFigures {
    /// Readers at partitions.
    pub readers_open: u64,
    pub events_delivered: u64,
    /// Places of the log that a reader came to and found nothing in.
    pub events_lost: u64,
    /// Readers that had to go for one with a higher epoch.
    pub epochs_stolen: u64,
    pub readers_refused: u64,
    pub commands_taken: u64,
    pub commands_refused: u64,
    /// Batches of feedback.
    pub feedback_given: u64,
    pub feedback_settled: u64,
    pub notices_given: u64,
    pub notices_settled: u64,
    pub requests: u64,
    pub redirects: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) events_delivered: AtomicU64,
    pub(super) events_lost: AtomicU64,
    pub(super) epochs_stolen: AtomicU64,
    pub(super) readers_refused: AtomicU64,
    pub(super) commands_taken: AtomicU64,
    pub(super) commands_refused: AtomicU64,
    pub(super) feedback_given: AtomicU64,
    pub(super) feedback_settled: AtomicU64,
    pub(super) notices_given: AtomicU64,
    pub(super) notices_settled: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) redirects: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, readers_open: usize) -> LinkFigures {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        LinkFigures {
            readers_open: readers_open as u64,
            events_delivered: of(&self.events_delivered),
            events_lost: of(&self.events_lost),
            epochs_stolen: of(&self.epochs_stolen),
            readers_refused: of(&self.readers_refused),
            commands_taken: of(&self.commands_taken),
            commands_refused: of(&self.commands_refused),
            feedback_given: of(&self.feedback_given),
            feedback_settled: of(&self.feedback_settled),
            notices_given: of(&self.notices_given),
            notices_settled: of(&self.notices_settled),
            requests: of(&self.requests),
            redirects: of(&self.redirects),
        }
    }
}

pub(super) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Relaxed);
}
