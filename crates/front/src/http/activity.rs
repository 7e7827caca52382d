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
//! its pings and window updates are reads, too. The beginning of a head that comes in one read with the
//! request before it is not seen as one, and has the time of an idle connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

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
    finishing_since: Option<Instant>,
}

/// How long a connection without requests may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

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
    /// Told to finish, and nothing is left to finish.
    Finished,
}

impl Activity {
    pub(super) fn new(limits: HttpLimits, reads_are_heads: bool) -> Arc<Self> {
        let state = State {
            waits_for: WaitsFor::Head,
            since: Instant::now(),
            requests_open: 0,
            write_stalled_since: None,
            has_unread_body: false,
            finishing_since: None,
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

    /// From now on a connection without requests has to end.
    pub(super) fn finish(&self) {
        self.state().finishing_since = Some(Instant::now());
    }

    pub(super) fn verdict(&self) -> Verdict {
        let state = self.state();
        let (now, limits) = (Instant::now(), &self.limits);
        let write =
            state.write_stalled_since.map(|since| (since + limits.write_timeout, Verdict::WriteStalled));
        // A response that is still being written keeps its connection, whoever has let go of its body.
        let is_quiet = state.requests_open == 0 && state.write_stalled_since.is_none();
        let finishing = state.finishing_since.filter(|_| is_quiet);
        let finish = finishing.map(|since| (since.max(state.since) + FAREWELL, Verdict::Finished));
        let request = is_quiet.then(|| match state.waits_for {
            WaitsFor::Head => (state.since + limits.head_timeout, Verdict::HeadLate),
            WaitsFor::Anything => (state.since + limits.idle_timeout, Verdict::Idle),
        });
        // Deadlines may come nearer without notice (idle, then the first byte of a head), so it is never
        // longer than half of the shortest to the next look.
        let shortest = limits.head_timeout.min(limits.write_timeout).min(limits.idle_timeout);
        let shortest = if state.finishing_since.is_some() { shortest.min(FAREWELL) } else { shortest };
        let mut until = now + shortest / 2;
        for (deadline, verdict) in [finish, write, request].into_iter().flatten() {
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
            if state.write_stalled_since.take().is_some() && state.waits_for == WaitsFor::Anything {
                state.since = Instant::now();
            }
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
        for _ in 0..10 {
            activity.has_written(true);
            pass(50).await;
            assert!(is_fine(&activity), "a client may read slowly");
            activity.has_written(false);
        }
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
    async fn a_connection_that_has_to_finish_ends_with_its_last_request() {
        let activity = Activity::new(HttpLimits::default(), true);
        let request = activity.request(&Arc::default());
        activity.finish();
        pass(100).await;
        assert!(is_fine(&activity));
        drop(request);
        assert!(is_fine(&activity), "its response is still on the way");
        pass(1).await;
        assert_eq!(activity.verdict(), Verdict::Finished);
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
