//! Messages with numbers, from when they leave to when they arrive: all of them, once, and in order.

use std::time::{Duration, Instant};

use crate::meter::{Trouble, now};

pub(crate) struct Arrivals {
    sent: u64,
    heard: u64,
    /// When the messages that are on their way were sent, by number.
    moments: Vec<Instant>,
    /// Arrivals that count.
    begin: Instant,
    end: Instant,
}

impl Arrivals {
    /// With so many on their way at most.
    pub(crate) fn new(window: u16) -> Self {
        let now = now();
        Self { sent: 0, heard: 0, moments: vec![now; window.into()], begin: now, end: now }
    }

    pub(crate) fn count(&mut self, begin: Instant, end: Instant) {
        (self.begin, self.end) = (begin, end);
    }

    pub(crate) fn under_way(&self) -> u64 {
        self.sent - self.heard
    }

    /// The number of the next message that leaves, which its body begins with.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn leaves(&mut self) {
        let slot = self.slot(self.sent);
        (self.moments[slot], self.sent) = (now(), self.sent + 1);
    }

    /// How long it took, if that counts.
    pub(crate) fn arrived(&mut self, body: &[u8]) -> Result<Option<Duration>, Trouble> {
        let (number, _) = body.split_first_chunk().ok_or("a message came that nobody sent")?;
        if u64::from_le_bytes(*number) != self.heard {
            return Err("messages are lost, come twice, or not in order".into());
        }
        let ended = now();
        let took = ended - self.moments[self.slot(self.heard)];
        self.heard += 1;
        Ok((self.begin..self.end).contains(&ended).then_some(took))
    }

    fn slot(&self, number: u64) -> usize {
        (number % self.moments.len() as u64) as usize
    }
}
