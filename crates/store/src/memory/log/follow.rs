//! Following in memory: records are copied out under the lock, waiting is outside of it.

use std::pin::pin;
use std::sync::Arc;

use super::engine::Shared;
use crate::documents::Answer;
use crate::log::{Follower, From, Misuse, Page, ReadError, Reading, Sequence};

pub(super) struct MemoryLogFollower {
    shared: Arc<Shared>,
    /// Where to go on. A time stays one until the first record of it is there.
    reading: Reading,
}

impl MemoryLogFollower {
    pub(super) fn new(shared: Arc<Shared>, reading: Reading) -> Self {
        let mut follower = Self { shared, reading };
        // Following begins with the call. A wrong partition is said by the first page.
        drop(follower.settle_start());
        follower
    }

    /// Turns "oldest", "newest" or a time into a sequence, once that can be known.
    fn settle_start(&mut self) -> Result<bool, Misuse> {
        let mut state = self.shared.lock();
        let start = state.partition(self.reading.partition)?.start(self.reading.from);
        if let Some(start) = start {
            self.reading.from = From::Sequence(Sequence::from_number(start));
        }
        Ok(start.is_some())
    }

    /// The next page, perhaps with nothing in it, and whether there may be more at once.
    fn take(&mut self) -> Result<(Page, bool), Misuse> {
        if !self.settle_start()? {
            return Ok((Page::default(), false));
        }
        let now = self.shared.now();
        let (page, more) = self.shared.lock().page(&self.reading, now)?;
        self.reading.from = From::Sequence(page.next);
        Ok((page, more))
    }
}

impl Follower for MemoryLogFollower {
    fn next(&mut self) -> Answer<'_, Page, ReadError> {
        Box::pin(async move {
            let grown = self.shared.lock().partition(self.reading.partition)?.grown.clone();
            loop {
                let mut growing = pin!(grown.notified());
                // From here on nothing is missed, also what comes while the page is made.
                growing.as_mut().enable();
                let (page, more) = self.take()?;
                if !page.records.is_empty() || !page.lost.is_empty() {
                    return Ok(page);
                }
                if more {
                    tokio::task::yield_now().await;
                } else {
                    growing.await;
                }
            }
        })
    }

    fn position(&self) -> Option<Sequence> {
        match self.reading.from {
            From::Sequence(next) => Some(next),
            _ => None,
        }
    }
}
