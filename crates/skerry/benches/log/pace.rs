//! Records that are due.

use std::time::Instant;

use crate::meter::now;

/// How many of `rate` records a second are due at each tick of a millisecond.
pub(crate) struct Pace {
    began: Instant,
    rate: u64,
    sent: u64,
}

impl Pace {
    pub(crate) fn new(rate: u64) -> Self {
        Self { began: now(), rate, sent: 0 }
    }

    /// Numbers that are due now.
    pub(crate) fn due(&mut self) -> std::ops::Range<u64> {
        let due = (now() - self.began).as_secs_f64() * self.rate as f64;
        let from = self.sent;
        self.sent = self.sent.max(due as u64);
        from..self.sent
    }
}
