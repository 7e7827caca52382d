//! Reading as the log grows, without polling.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::engine::page;
use super::shared::Shared;
use crate::documents::Answer;
use crate::log::{Follower, From, Misuse, Page, ReadError, Reading, Sequence};

pub(super) struct JournalFollower {
    shared: Arc<Shared>,
    reading: Reading,
}

impl JournalFollower {
    pub(super) fn new(shared: Arc<Shared>, mut reading: Reading) -> Self {
        // "Newest" is what comes after this call, not after the first look.
        if let (From::Newest, Some(gate)) = (reading.from, shared.gate(reading.partition)) {
            let next = gate.next.load(SeqCst);
            reading.from = From::Sequence(Sequence::from_number(next));
        }
        Self { shared, reading }
    }

    async fn advance(&mut self) -> Result<Page, ReadError> {
        loop {
            let shared = self.shared.clone();
            let Some(gate) = shared.gate(self.reading.partition) else {
                let what = format!("there is no partition {}", self.reading.partition.number());
                return Err(Misuse { what }.into());
            };
            let moved = gate.waits(self.reading.wanted_by).notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if shared.is_closed() {
                return Err(ReadError::Closed);
            }
            let page = page(&self.shared, self.reading).await?;
            let begun = self.reading.from;
            let is_news = !page.records.is_empty() || !page.lost.is_empty();
            // By time, reading goes on from a place only once there is one.
            if is_news || !matches!(begun, From::Time(_)) {
                self.reading.from = From::Sequence(page.next);
            }
            if is_news {
                return Ok(page);
            }
            if self.reading.from == begun {
                moved.await;
            }
        }
    }
}

impl Follower for JournalFollower {
    fn next(&mut self) -> Answer<'_, Page, ReadError> {
        Box::pin(self.advance())
    }

    fn position(&self) -> Option<Sequence> {
        match self.reading.from {
            From::Sequence(next) => Some(next),
            _ => None,
        }
    }
}
