//! What the front door counts. Every limit has its gauge, every refusal its counter with the reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that others read while it changes.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }
}

/// Raises a gauge while it lives.
pub(crate) struct Raised<'a> {
    figure: &'a Figure,
    amount: u64,
}

impl Figure {
    pub(crate) fn raise(&self, amount: u64) -> Raised<'_> {
        self.add(amount);
        Raised { figure: self, amount }
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.figure.subtract(self.amount);
    }
}

/// Counters since the start, and gauges (marked so).
#[derive(Debug, Default)]
pub struct Figures {
    /// Connections taken from the system.
    pub connections_accepted: Figure,
    /// Gauge: connections that are open, half-open ones included.
    pub connections_open: Figure,
    /// Gauge: connections whose TLS handshake is not done.
    pub connections_half_open: Figure,
    /// Closed at once because `connections_max` were open.
    pub connections_refused_full: Figure,
    /// Half-open connections that had to make room for newer ones.
    pub half_open_dropped: Figure,
    pub handshakes_done: Figure,
    pub handshakes_failed: Figure,
    pub handshakes_timed_out: Figure,
    /// The system gave no connection, for example because file descriptors ran out.
    pub accept_errors: Figure,
    /// Connections ended by a panic in their own code.
    pub connections_panicked: Figure,
    pub http_requests: Figure,
    /// Gauge: requests being read, handled or answered.
    pub http_requests_open: Figure,
    /// Gauge: bytes of the body budget that are taken.
    pub http_body_bytes: Figure,
    pub http_bodies_too_large: Figure,
    pub http_bodies_timed_out: Figure,
    pub http_bodies_broken: Figure,
    /// Requests that waited for the body budget in vain.
    pub http_bodies_without_budget: Figure,
    pub http_headers_refused: Figure,
    /// Requests whose handler panicked.
    pub http_handlers_panicked: Figure,
    /// Closed because a request's head did not arrive in time.
    pub http_heads_timed_out: Figure,
    /// Closed because nothing was asked for a while.
    pub http_idle_closed: Figure,
    /// Closed because the client stopped reading the response.
    pub http_writes_stalled: Figure,
}
