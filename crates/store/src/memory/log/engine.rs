//! The engine: one state behind one lock that is never held across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_model::{Clock, Timestamp};

use super::follow::MemoryLogFollower;
use super::state::State;
use super::weakness::LogWeakness;
use crate::documents::Answer;
use crate::log::{
    Batch, Cursor, CursorError, CursorId, Extent, Figures, Follower, Limits, Log, Outcomes, Page, Partition,
    Progress, ReadError, Reading, Sequence, Start,
};

#[derive(Clone)]
pub struct MemoryLogOptions {
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    /// `None` is the strong mode: the newest records at once, outcomes always known.
    pub weakness: Option<LogWeakness>,
}

/// A log in memory. Cloning shares it.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    weakness: Option<LogWeakness>,
    state: Mutex<State>,
}

impl MemoryLog {
    pub fn new(options: MemoryLogOptions) -> Self {
        let MemoryLogOptions { limits, clock, weakness } = options;
        Self { shared: Arc::new(Shared { clock, weakness, state: Mutex::new(State::new(limits, weakness)) }) }
    }

    /// What is asked happens now, as contracts of order want it; a weak log answers later.
    fn answer<T: Send + 'static>(&self, answer: T) -> impl Future<Output = T> + Send + 'static {
        let shared = self.shared.clone();
        async move {
            while shared.weakness.is_some() && shared.lock().misbehaves(|weakness| weakness.slow) {
                tokio::task::yield_now().await;
            }
            answer
        }
    }
}

impl Shared {
    /// Each change leaves the state as it should be before anything that could panic.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Log for MemoryLog {
    fn append(&self, batch: Batch) -> Outcomes<'_> {
        let outcomes = self.shared.lock().append(&batch, self.shared.now());
        Box::pin(self.answer(outcomes))
    }

    fn read(&self, reading: Reading) -> Answer<'_, Page, ReadError> {
        let page = self.shared.lock().page(&reading, self.shared.now());
        Box::pin(self.answer(page.map(|(page, _)| page).map_err(ReadError::from)))
    }

    fn follow(&self, reading: Reading) -> Box<dyn Follower> {
        Box::new(MemoryLogFollower::new(self.shared.clone(), reading))
    }

    fn extent(&self, partition: Partition) -> Answer<'_, Extent, ReadError> {
        let extent = self.shared.lock().extent(partition, self.shared.now());
        Box::pin(self.answer(extent.map_err(ReadError::from)))
    }

    fn trim(&self, partition: Partition, before: Sequence) -> Answer<'_, (), CursorError> {
        let trimmed = self.shared.lock().trim(partition, before.number());
        Box::pin(self.answer(trimmed.map_err(CursorError::from)))
    }

    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> Answer<'a, Cursor, CursorError> {
        let cursor = self.shared.lock().open_cursor(name, start);
        Box::pin(self.answer(cursor))
    }

    fn advance(&self, cursor: CursorId, progress: Progress) -> Answer<'_, (), CursorError> {
        let advanced = self.shared.lock().advance(cursor, &progress);
        Box::pin(self.answer(advanced))
    }

    fn drop_cursor(&self, cursor: CursorId) -> Answer<'_, (), CursorError> {
        let dropped = self.shared.lock().drop_cursor(cursor);
        Box::pin(self.answer(dropped))
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.shared.lock().cursors()
    }

    fn cursor_bytes(&self, cursor: CursorId) -> Option<u64> {
        self.shared.lock().cursors.get(&cursor.number()).map(|held| held.bytes)
    }

    fn figures(&self) -> Figures {
        self.shared.lock().figures()
    }
}
