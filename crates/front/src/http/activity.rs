//! What a connection is doing, as far as its deadlines are concerned.
//!
//! ```text
//!   new ──► head ──► requests open ──► idle ──► head ──► …
//!            │             │             │
//!       head_timeout  write_timeout  idle_timeout
//! ```
//!
//! [`Watched`] sits between TLS and HTTP and reports reads and stalled writes; the connection's loop asks
//! for a [`Verdict`] from time to time. HTTP/2 has no head of its own kind to wait for after the first one:
//! its pings and window updates are reads, too.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::HttpLimits;
use crate::figures::Figures;

pub(super) struct Activity {
    limits: HttpLimits,
    reads_are_heads: bool,
    state: Mutex<State>,
}

struct State {
    waits_for: WaitsFor,
    since: Instant,
    requests_open: usize,
    write_stalled_since: Option<Instant>,
    has_unread_body: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    Head,
    Anything,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    Fine {
        until: Instant,
    },
    HeadLate,
    Idle,
    WriteStalled,
}

impl Activity {
    pub(super) fn new(limits: HttpLimits, reads_are_heads: bool) -> Arc<Self> {
        let state = State {
            waits_for: WaitsFor::Head,
            since: Instant::now(),
            requests_open: 0,
            write_stalled_since: None,
            has_unread_body: false,
        };
        Arc::new(Self { limits, reads_are_heads, state: Mutex::new(state) })
    }

    /// A request has begun; it ends when the guard is dropped.
    pub(super) fn request(self: &Arc<Self>, figures: &Arc<Figures>) -> OpenRequest {
        self.state().requests_open += 1;
        figures.http_requests.increment();
        figures.http_requests_open.add(1);
        OpenRequest { activity: Arc::clone(self), figures: Arc::clone(figures) }
    }

    /// A body was refused unread: its bytes are still under way.
    pub(super) fn leave_body_unread(&self) {
        self.state().has_unread_body = true;
    }

    pub(super) fn has_unread_body(&self) -> bool {
        self.state().has_unread_body
    }

    pub(super) fn verdict(&self) -> Verdict {
        let state = self.state();
        let (now, limits) = (Instant::now(), &self.limits);
        let write =
            state.write_stalled_since.map(|since| (since + limits.write_timeout, Verdict::WriteStalled));
        let request = match (state.requests_open, state.waits_for) {
            (0, WaitsFor::Head) => Some((state.since + limits.head_timeout, Verdict::HeadLate)),
            (0, WaitsFor::Anything) => Some((state.since + limits.idle_timeout, Verdict::Idle)),
            _ => None,
        };
        // Deadlines may come nearer without notice (idle, then the first byte of a head), so it is never
        // longer than half of the shortest to the next look.
        let next_look = now + limits.head_timeout.min(limits.write_timeout).min(limits.idle_timeout) / 2;
        let mut until = next_look;
        for (deadline, verdict) in [write, request].into_iter().flatten() {
            if deadline <= now {
                return verdict;
            }
            until = until.min(deadline);
        }
        Verdict::Fine { until }
    }

    fn has_read(&self) {
        let mut state = self.state();
        if self.reads_are_heads && state.requests_open == 0 && state.waits_for == WaitsFor::Anything {
            state.waits_for = WaitsFor::Head;
            state.since = Instant::now();
        }
    }

    fn has_written(&self, stalled: bool) {
        let mut state = self.state();
        if !stalled {
            state.write_stalled_since = None;
        } else if state.write_stalled_since.is_none() {
            state.write_stalled_since = Some(Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives as long as its response is being sent.
pub(super) struct OpenRequest {
    activity: Arc<Activity>,
    figures: Arc<Figures>,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests_open = state.requests_open.saturating_sub(1);
        state.waits_for = WaitsFor::Anything;
        state.since = Instant::now();
        self.figures.http_requests_open.subtract(1);
    }
}

/// A stream whose progress is reported.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.has_read();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.activity.has_written(outcome.is_pending());
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.activity.has_written(outcome.is_pending());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.activity.has_written(outcome.is_pending());
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is_fine(activity: &Activity) -> bool {
        matches!(activity.verdict(), Verdict::Fine { .. })
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_deadline() {
        let activity = Activity::new(HttpLimits::default(), true);
        pass(9).await;
        assert!(is_fine(&activity));
        activity.has_read();
        pass(1).await;
        assert_eq!(activity.verdict(), Verdict::HeadLate, "reading on does not prolong the head");

        let request = activity.request(&Arc::default());
        pass(3600).await;
        assert!(is_fine(&activity), "a request may take as long as the service lets it");
        activity.has_written(true);
        pass(59).await;
        activity.has_written(true);
        assert!(is_fine(&activity));
        pass(1).await;
        assert_eq!(activity.verdict(), Verdict::WriteStalled);
        activity.has_written(false);

        drop(request);
        pass(119).await;
        assert!(is_fine(&activity));
        pass(1).await;
        assert_eq!(activity.verdict(), Verdict::Idle);
        activity.has_read();
        assert!(is_fine(&activity), "a head has begun");
        pass(10).await;
        assert_eq!(activity.verdict(), Verdict::HeadLate);
    }

    #[tokio::test(start_paused = true)]
    async fn pings_of_http2_are_no_heads() {
        let activity = Activity::new(HttpLimits::default(), false);
        drop(activity.request(&Arc::default()));
        activity.has_read();
        pass(119).await;
        assert!(is_fine(&activity));
        pass(1).await;
        assert_eq!(activity.verdict(), Verdict::Idle);
    }
}
