//! Reads ahead of a queue: one page at most, and where to go on.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::log::{Follower, From, Log, Lost, ReadError, Reading, Record, Sequence};

pub(super) struct Reader {
    log: Arc<dyn Log>,
    /// How to read; where is in `next`.
    reading: Reading,
    follower: Option<Box<dyn Follower>>,
    page: VecDeque<Record>,
    next: Sequence,
}

impl Reader {
    pub(super) fn new(log: Arc<dyn Log>, reading: Reading, next: Sequence) -> Self {
        Self { log, reading, follower: None, page: VecDeque::new(), next }
    }

    /// The next record that was read, or where reading goes on.
    pub(super) fn position(&self) -> Sequence {
        let passed = || self.follower.as_ref().and_then(|follower| follower.position());
        let next = || passed().map_or(self.next, |passed| passed.max(self.next));
        self.page.front().map_or_else(next, |record| record.sequence)
    }

    pub(super) fn has_page(&self) -> bool {
        !self.page.is_empty()
    }

    /// Holds nothing, and goes on from where it is.
    pub(super) fn step_back(&mut self) {
        self.next = self.position();
        self.rest();
    }

    pub(super) fn pop(&mut self) -> Option<Record> {
        let record = self.page.pop_front();
        if self.page.is_empty() {
            // A page may have been large; a queue that waits should not hold its room.
            self.page = VecDeque::new();
        }
        record
    }

    /// Waits for the next page and returns what was lost before it. Only for when nothing is left
    /// of the page before; giving up the wait loses nothing.
    pub(super) async fn fill(&mut self) -> Result<Vec<Lost>, ReadError> {
        let reading = Reading { from: From::Sequence(self.next), ..self.reading };
        let follower = self.follower.get_or_insert_with(|| self.log.follow(reading));
        match follower.next().await {
            Ok(page) => {
                self.page = page.records.into();
                self.next = self.next.max(page.next);
                Ok(page.lost)
            }
            Err(error) => {
                self.follower = None;
                Err(error)
            }
        }
    }

    /// Holds nothing until it is asked again.
    pub(super) fn rest(&mut self) {
        (self.follower, self.page) = (None, VecDeque::new());
    }

    /// The record of this sequence, or `None` when it is gone. Quick where the sequences that are
    /// asked for grow.
    pub(super) async fn find(&mut self, sequence: Sequence) -> Result<Option<Record>, ReadError> {
        while self.page.front().is_some_and(|record| record.sequence < sequence) {
            self.pop();
        }
        if self.page.front().is_none_or(|record| record.sequence != sequence) {
            (self.follower, self.next) = (None, sequence);
            self.page.clear();
        }
        while self.position() <= sequence && self.page.is_empty() {
            self.fill().await?;
        }
        let found = self.page.front().is_some_and(|record| record.sequence == sequence);
        Ok(if found { self.pop() } else { None })
    }
}
