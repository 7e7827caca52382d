//! A stretch of time in which everybody counts: the server, the generator, and who else computes.

use std::time::{Duration, Instant};

use crate::meter::{now, processor_time, processor_time_since};
use crate::surroundings::machine_time;
use crate::tree::{Tree, Usage};

pub(crate) struct Span {
    began: Instant,
    usage: Usage,
    own: Option<Duration>,
    all: Option<Duration>,
}

pub(crate) struct Spent {
    pub(crate) elapsed: Duration,
    /// What the server computed.
    pub(crate) server: Duration,
    written: u64,
    own: Option<Duration>,
    all: Option<Duration>,
}

impl Span {
    pub(crate) fn begin(tree: &Tree) -> Self {
        Self { began: now(), usage: tree.usage(), own: processor_time(), all: machine_time() }
    }

    pub(crate) fn end(self, tree: &Tree) -> Spent {
        let usage = tree.usage();
        let all = self.all.zip(machine_time()).map(|(before, after)| after.saturating_sub(before));
        Spent {
            elapsed: now() - self.began,
            server: usage.processor.saturating_sub(self.usage.processor),
            written: usage.written.saturating_sub(self.usage.written),
            own: processor_time_since(self.own),
            all,
        }
    }
}

impl Spent {
    pub(crate) fn rate(&self, count: usize) -> f64 {
        count as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// For each second that the server computed.
    pub(crate) fn rate_computed(&self, count: usize) -> f64 {
        count as f64 / self.server.as_secs_f64().max(0.01)
    }

    pub(crate) fn note(&self, count: usize) -> String {
        let (seconds, server) = (self.elapsed.as_secs_f64().max(1e-9), self.server.as_secs_f64());
        let mut parts = vec![format!("server {:.2} processors", server / seconds)];
        if let Some((own, all)) = self.own.zip(self.all) {
            let others = (all.as_secs_f64() - own.as_secs_f64() - server).max(0.0);
            parts.push(format!(
                "generator {:.2}, others {:.2}",
                own.as_secs_f64() / seconds,
                others / seconds
            ));
        }
        if self.written > 0 {
            parts.push(format!("{:.0} B written a message", self.written as f64 / count.max(1) as f64));
        }
        parts.join(", ")
    }
}
