//! How far this machine's clock is from the hub's, by what the hub last said.
//!
//! The machine's own time since then is measured with a clock that nobody sets, so a clock that is set wrong later,
//! or right again, is seen without the hub.

use std::sync::{Arc, Mutex, PoisonError};

use skerry_model::{Clock, Timestamp};
use tokio::time::Instant;

pub struct Clocks {
    own: Arc<dyn Clock>,
    /// What the hub's clock showed, and when that was.
    heard: Mutex<Option<(Timestamp, Instant)>>,
}

impl Clocks {
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, heard: Mutex::default() }
    }

    pub fn note(&self, date: Timestamp) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
    }

    /// Seconds that our clock is ahead, to about one; `None` before the hub has said anything.
    pub fn ahead_seconds(&self) -> Option<i64> {
        let (date, at) = (*self.heard.lock().unwrap_or_else(PoisonError::into_inner))?;
        let hub = date.plus(at.elapsed());
        Some(self.own.now().unix_seconds() - hub.unix_seconds())
    }
}
