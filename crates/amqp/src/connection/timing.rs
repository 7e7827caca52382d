//! Signs of life, both ways.

use std::time::Duration;

use super::greeting::Phase;
use super::{Connection, Violation};
use crate::frame::{Kind, put_frame};

/// More often is not needed by anybody.
const SIGN_EVERY_MIN: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    silence_max: Duration,
    heard: Duration,
    spoke: Duration,
    sign_every: Option<Duration>,
}

impl Timing {
    pub(super) fn new(idle_timeout: Duration) -> Self {
        let silence_max = idle_timeout.saturating_mul(2);
        Self { silence_max, heard: Duration::ZERO, spoke: Duration::ZERO, sign_every: None }
    }

    /// Half of what the peer bears, for a sign may be late.
    pub(super) fn peer_wants(&mut self, idle_timeout_ms: Option<u32>) {
        let bears = idle_timeout_ms.filter(|milliseconds| *milliseconds > 0);
        self.sign_every =
            bears.map(|milliseconds| (Duration::from_millis(milliseconds.into()) / 2).max(SIGN_EVERY_MIN));
    }
}

impl Connection {
    /// Bytes have come.
    pub fn hear(&mut self, now: Duration) {
        self.timing.heard = self.timing.heard.max(now);
    }

    /// Bytes have gone.
    pub fn speak(&mut self, now: Duration) {
        self.timing.spoke = self.timing.spoke.max(now);
    }

    /// When [`Self::handle_time`] has something to do, if nothing comes before.
    pub fn deadline(&self) -> Option<Duration> {
        if self.phase == Phase::Closed {
            return None;
        }
        let silence = self.timing.heard + self.timing.silence_max;
        // Before the opening and after the goodbye there is nothing to give a sign of.
        let sign_every = self.timing.sign_every.filter(|_| self.phase == Phase::Open);
        let sign = sign_every.map(|every| self.timing.spoke + every);
        Some(sign.map_or(silence, |sign| sign.min(silence)))
    }

    pub fn handle_time(&mut self, now: Duration) -> Result<(), Violation> {
        if now >= self.timing.heard + self.timing.silence_max {
            let silent = Violation::Silent;
            self.give_up(&silent);
            return Err(silent);
        }
        let is_due = self.timing.sign_every.is_some_and(|every| now >= self.timing.spoke + every);
        if is_due && self.phase == Phase::Open {
            put_frame(&mut self.out, Kind::Amqp, 0, |_| {});
            self.speak(now);
        }
        Ok(())
    }
}
