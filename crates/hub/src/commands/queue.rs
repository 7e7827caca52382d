//! What this process knows of one identity's commands.
//!
//! ```text
//!  enqueued ──lease──► held ──complete, reject──► gone
//!     ▲                 └── abandon, release, time: back in the old place ──┐
//!     └─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Documents are the truth, this is a view of them with locks, which are of this process only. The
//! view is brought up to date by whoever has the turn; a change whose end nobody saw leaves it
//! unknown, and the next one reads anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use skerry_model::{IdentityId, Timestamp};
use tokio::sync::Notify;

use super::holds::Mark;
use super::lock::SessionId;
use super::name::is_newer;
use super::stored::Slip;

pub(super) struct Queue {
    pub(super) identity: IdentityId,
    /// Held by whoever changes the documents: one after the other.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Rung when something may be deliverable.
    pub(super) bell: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) generation: String,
    pub(super) known: Known,
    /// By sequence; a command without one was never delivered by this process.
    pub(super) marks: HashMap<u64, Mark>,
    /// Connections before this one hold nothing any more.
    pub(super) newest: Option<SessionId>,
    /// Whether anybody used it since the last sweep.
    is_used: bool,
    /// How many commands the presence and the figures show.
    told: u64,
}

/// What is known without asking the documents.
#[derive(Default)]
pub(super) enum Known {
    #[default]
    Nothing,
    /// Not held by anybody.
    Summary(Summary),
    Slips(BTreeMap<u64, Slip>),
}

/// A queue that nobody uses at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) count: u64,
    /// When the first of them expires.
    pub(super) expires: Timestamp,
}

impl Queue {
    pub(super) fn new(identity: IdentityId) -> Self {
        Self { identity, turn: tokio::sync::Mutex::default(), bell: Notify::new(), state: Mutex::default() }
    }

    /// Whether the generation is the present one. A newer one begins with nothing.
    pub(super) fn meet(&self, generation: &str) -> bool {
        let mut state = self.state();
        state.is_used = true;
        if is_newer(generation, &state.generation) {
            generation.clone_into(&mut state.generation);
            state.known = Known::Nothing;
            state.marks.clear();
        }
        state.generation == generation
    }

    pub(super) fn generation(&self) -> String {
        self.state().generation.clone()
    }

    pub(super) fn is_loaded(&self) -> bool {
        matches!(self.state().known, Known::Slips(_))
    }

    /// What the documents say.
    pub(super) fn load(&self, slips: BTreeMap<u64, Slip>) {
        let mut state = self.state();
        state.marks.retain(|sequence, _| slips.contains_key(sequence));
        state.known = Known::Slips(slips);
    }

    /// At opening, when nothing is known.
    pub(super) fn summarise(&self, generation: String, summary: Summary) {
        let mut state = self.state();
        if state.generation.is_empty() {
            state.generation = generation;
            state.known = Known::Summary(summary);
        }
    }

    /// The documents have to be read again. Locks stay.
    pub(super) fn doubt(&self) {
        self.state().known = Known::Nothing;
        self.bell.notify_waiters();
    }

    pub(super) fn insert(&self, sequence: u64, slip: Slip) {
        if let Known::Slips(slips) = &mut self.state().known {
            slips.insert(sequence, slip);
        }
        self.bell.notify_waiters();
    }

    /// It was given up.
    pub(super) fn replace(&self, sequence: u64, slip: Slip) {
        let mut state = self.state();
        if let Some(mark) = state.marks.get_mut(&sequence) {
            mark.lock = None;
        }
        if let Known::Slips(slips) = &mut state.known {
            slips.insert(sequence, slip);
        }
        drop(state);
        self.bell.notify_waiters();
    }

    pub(super) fn remove(&self, sequences: &[u64]) {
        let mut state = self.state();
        for sequence in sequences {
            state.marks.remove(sequence);
            if let Known::Slips(slips) = &mut state.known {
                slips.remove(sequence);
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.state().count()
    }

    pub(super) fn last_sequence(&self) -> u64 {
        match &self.state().known {
            Known::Slips(slips) => slips.last_key_value().map_or(0, |(sequence, _)| *sequence),
            _ => 0,
        }
    }

    pub(super) fn slip(&self, sequence: u64) -> Option<Slip> {
        match &self.state().known {
            Known::Slips(slips) => slips.get(&sequence).cloned(),
            _ => None,
        }
    }

    pub(super) fn slips(&self) -> Vec<(u64, Slip)> {
        match &self.state().known {
            Known::Slips(slips) => slips.iter().map(|(sequence, slip)| (*sequence, slip.clone())).collect(),
            _ => Vec::new(),
        }
    }

    /// What has waited for too long and is held by nobody.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<(u64, Slip)> {
        let state = self.state();
        let Known::Slips(slips) = &state.known else { return Vec::new() };
        let expired =
            slips.iter().filter(|(sequence, slip)| slip.expires <= now && state.is_free(**sequence));
        expired.map(|(sequence, slip)| (*sequence, slip.clone())).collect()
    }

    /// Whether a sweep has something to do here.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        match &self.state().known {
            Known::Nothing => true,
            Known::Summary(summary) => summary.count > 0 && summary.expires <= now,
            Known::Slips(slips) => slips.values().any(|slip| slip.expires <= now),
        }
    }

    /// Keeps no more than a summary when nobody used the queue since the last time.
    pub(super) fn rest(&self) {
        let mut state = self.state();
        let was_used = std::mem::take(&mut state.is_used);
        let Known::Slips(slips) = &state.known else { return };
        if was_used || slips.keys().any(|sequence| !state.is_free(*sequence)) {
            return;
        }
        let expires = slips.values().map(|slip| slip.expires).min().unwrap_or_default();
        state.known = Known::Summary(Summary { count: slips.len() as u64, expires });
    }

    /// Nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        matches!(state.known, Known::Summary(Summary { count: 0, .. })) && state.marks.is_empty()
    }

    /// The count to show and the one that was shown before.
    pub(super) fn tell(&self) -> (u64, u64) {
        let mut state = self.state();
        let count = state.count();
        (count, std::mem::replace(&mut state.told, count))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is not known is as it was told last.
    fn count(&self) -> u64 {
        match &self.known {
            Known::Nothing => self.told,
            Known::Summary(summary) => summary.count,
            Known::Slips(slips) => slips.len() as u64,
        }
    }
}
