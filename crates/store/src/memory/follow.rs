//! Following in memory: records are copied out under the lock, waiting is outside of it.

use std::sync::Arc;

use tokio::sync::watch;

use super::engine::Shared;
use crate::documents::{Answer, ChangeRecord, FollowError, Follower, Lagged, Revision};

/// Records handed over at once, plus the rest of the last commit.
const BATCH: usize = 1000;

pub(super) struct MemoryFollower {
    shared: Arc<Shared>,
    newest: watch::Receiver<Revision>,
    /// Everything up to here was handed over.
    from: Revision,
    /// Where the batch before began, for weakness to begin there again.
    before: Revision,
}

impl MemoryFollower {
    pub(super) fn new(shared: Arc<Shared>, from: Revision) -> Self {
        let newest = shared.newest.subscribe();
        Self { shared, newest, from, before: from }
    }

    fn take(&mut self) -> Result<Vec<ChangeRecord>, Lagged> {
        let mut guard = self.shared.lock();
        let (state, dice) = &mut *guard;
        let weakness = self.shared.options.weakness;
        let pretended =
            weakness.is_some_and(|weakness| self.from < state.revision && dice.chance(weakness.lagged));
        if self.from < state.trimmed || self.from > state.revision || pretended {
            let resume = state.revision;
            (self.from, self.before) = (resume, resume);
            return Err(Lagged { resume });
        }
        let fresh = state.records.back().is_some_and(|record| record.revision > self.from);
        if fresh && weakness.is_some_and(|weakness| dice.chance(weakness.repeated)) {
            self.from = self.before.max(state.trimmed);
        }
        let start = state.records.partition_point(|record| record.revision <= self.from);
        let mut batch: Vec<ChangeRecord> = Vec::new();
        for record in state.records.range(start..) {
            if batch.len() >= BATCH && batch.last().is_some_and(|last| last.revision != record.revision) {
                break;
            }
            batch.push(record.clone());
        }
        if let Some(last) = batch.last() {
            self.before = self.from;
            self.from = last.revision;
        }
        Ok(batch)
    }
}

impl Follower for MemoryFollower {
    fn next(&mut self) -> Answer<'_, Vec<ChangeRecord>, FollowError> {
        Box::pin(async move {
            loop {
                self.newest.mark_unchanged();
                let batch = self.take()?;
                if !batch.is_empty() {
                    return Ok(batch);
                }
                // The sender lives in `shared`, which this follower holds.
                self.newest.changed().await.map_err(|_| FollowError::Closed)?;
            }
        })
    }
}
