//! The agent's own figures on their way to the hub.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Agent, Done};
use crate::quality::{CONTENT_TYPE, Samples};

/// Messages that wait for the hub; beyond it the oldest go.
const WAITING_MAX: usize = 32;

pub(super) struct Quality {
    samples: Samples,
    next_gather: Instant,
    next_send: Instant,
    waiting: VecDeque<Bytes>,
    /// The first one is on its way.
    is_sending: bool,
}

impl Quality {
    pub(super) fn new(now: Instant, pace: &super::Pace) -> Self {
        Self {
            samples: Samples::default(),
            next_gather: now + pace.gather,
            next_send: now + pace.send,
            waiting: VecDeque::new(),
            is_sending: false,
        }
    }

    pub(super) fn wake(&self) -> Instant {
        self.next_gather.min(self.next_send)
    }

    /// What was on its way is sent again.
    pub(super) fn line_changed(&mut self) {
        self.is_sending = false;
    }
}

impl Agent {
    /// Does what is due.
    pub(super) fn tend_quality(&mut self) {
        let (now, pace) = (Instant::now(), self.options.pace);
        let is_up = self.reporter.is_up();
        let Some(quality) = &mut self.quality else { return };
        let is_gathering = quality.next_gather <= now;
        if is_gathering {
            quality.next_gather = now + pace.gather;
        }
        if quality.next_send <= now {
            quality.next_send = now + pace.send;
            quality.waiting.extend(quality.samples.messages());
            let excess = quality.waiting.len().saturating_sub(WAITING_MAX);
            if excess > 0 {
                tracing::warn!(excess, "Figures that the hub did not take are dropped.");
                quality.waiting.drain(..excess);
            }
        }
        if is_up
            && !quality.is_sending
            && let Some(message) = quality.waiting.front().cloned()
        {
            quality.is_sending = true;
            self.link.send(CONTENT_TYPE, message);
        }
        if is_gathering {
            let page = self.page();
            self.jobs.spawn(async move { Done::Gathered(page.await) });
        }
    }

    pub(super) fn gathered(&mut self, page: &str) {
        let now = self.options.clock.now();
        if let Some(quality) = &mut self.quality {
            quality.samples.take(page, now);
        }
    }

    /// One that the hub does not want is not sent again.
    pub(super) fn sent(&mut self, is_kept: bool) {
        if !is_kept {
            tracing::warn!("The hub does not take the agent's figures.");
        }
        if let Some(quality) = &mut self.quality
            && std::mem::take(&mut quality.is_sending)
        {
            quality.waiting.pop_front();
        }
    }
}
