//! What a connection is doing, as far as its deadlines are concerned.
//!
//! ```text
//!   new ──► head ──► requests open ──► idle ──► head ──► …
//!            │             │             │
//!       head_timeout  write_timeout  idle_timeout
//! ```
//!
//! [`super::watched::Watched`] sits between TLS and HTTP and reports reads and stalled writes; the connection's loop asks
//! for a [`Verdict`] from time to time. HTTP/2 has no head of its own kind to wait for after the first one:
//! its pings and window updates are reads, too. The beginning of a head that comes in one read with the
//! request before it is not seen as one, and has the time of an idle connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::HttpLimits;
use crate::figures::Figures;
use crate::websocket::Inside;

pub(super) struct Activity {
    limits: HttpLimits,
    reads_are_heads: bool,
    state: Mutex<State>,
}

struct State {
    waits_for: WaitsFor,
    since: Instant,
    requests_open: usize,
    /// The socket takes nothing more.
    write_stalled_since: Option<Instant>,
    /// Responses that wait for the client to take their next piece; on HTTP/2 the socket does not show it.
    /// As many as there are requests.
    responses_stalled_since: BTreeMap<u64, Instant>,
    next_request: u64,
    has_unread_body: bool,
    finishing_since: Option<Instant>,
    /// What the connection speaks once the answer is out.
    becomes: Option<Inside>,
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
            responses_stalled_since: BTreeMap::new(),
            next_request: 0,
            has_unread_body: false,
            finishing_since: None,
            becomes: None,
        };
        Arc::new(Self { limits, reads_are_heads, state: Mutex::new(state) })
    }

    /// A request has begun; it ends when the guard is dropped.
    pub(super) fn request(self: &Arc<Self>, figures: &Arc<Figures>) -> OpenRequest {
        let mut state = self.state();
        state.requests_open += 1;
        state.next_request += 1;
        let id = state.next_request;
        figures.http_requests.increment();
        figures.http_requests_open.add(1);
        OpenRequest { activity: Arc::clone(self), figures: Arc::clone(figures), id }
    }

    /// A body was refused unread: its bytes are still under way.
    pub(super) fn leave_body_unread(&self) {
        self.state().has_unread_body = true;
    }

    pub(super) fn has_unread_body(&self) -> bool {
        self.state().has_unread_body
    }

    /// The connection was promised to a WebSocket.
    pub(super) fn become_websocket(&self, inside: Inside) {
        self.state().becomes = Some(inside);
    }

    pub(super) fn becomes(&self) -> Option<Inside> {
        self.state().becomes
    }

    /// From now on a connection without requests has to end.
    pub(super) fn finish(&self) {
        self.state().finishing_since = Some(Instant::now());
    }

    pub(super) fn verdict(&self) -> Verdict {
        let state = self.state();
        let (now, limits) = (Instant::now(), &self.limits);
        let stalled = state.responses_stalled_since.values().copied().chain(state.write_stalled_since).min();
        let write = stalled.map(|since| (since + limits.write_timeout, Verdict::WriteStalled));
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

    pub(super) fn has_read(&self) {
        let mut state = self.state();
        if self.reads_are_heads && state.requests_open == 0 && state.waits_for == WaitsFor::Anything {
            state.waits_for = WaitsFor::Head;
            state.since = Instant::now();
        }
    }

    pub(super) fn has_written(&self, stalled: bool) {
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
    id: u64,
}

impl OpenRequest {
    /// The response has something to send, from now on or again.
    pub(super) fn waits_for_client(&self) {
        self.activity.state().responses_stalled_since.insert(self.id, Instant::now());
    }

    /// The client has asked for more than there is.
    pub(super) fn waits_for_us(&self) {
        self.activity.state().responses_stalled_since.remove(&self.id);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.responses_stalled_since.remove(&self.id);
        state.requests_open = state.requests_open.saturating_sub(1);
        state.waits_for = WaitsFor::Anything;
        state.since = Instant::now();
        self.figures.http_requests_open.subtract(1);
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
    async fn a_response_that_is_not_taken_ends_its_connection_and_a_quiet_stream_does_not() {
        let activity = Activity::new(HttpLimits::default(), false);
        let (stream, response) = (activity.request(&Arc::default()), activity.request(&Arc::default()));
        stream.waits_for_us();
        for _ in 0..10 {
            response.waits_for_client();
            pass(59).await;
            assert!(is_fine(&activity));
        }
        pass(1).await;
        assert_eq!(activity.verdict(), Verdict::WriteStalled);
        drop(response);
        pass(3600).await;
        assert!(is_fine(&activity));
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
