//! Serves one API on one socket.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::reply::ReplyBody;
use super::version::Versions;
use super::{Body, Call, Peer, Problem, Reply};

/// Time for a request's head, and again for its body: the original's.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A backup of a deployment with its base64 is far below it.
const BODY_BYTES_MAX: usize = 4 << 20;
const HEAD_BYTES_MAX: usize = 32 << 10;
/// So many users at their limit use up a socket.
const USERS_AT_LIMIT: usize = 8;
/// Connections get so long to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);
/// After the system gave no connection, for example because file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What stands behind a socket.
pub(crate) trait Api: Send + Sync + 'static {
    fn versions(&self) -> Versions;

    /// The future is dropped when the client goes away: what has to be finished then is a task of its own.
    fn answer<'a>(
        &'a self,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>>;
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    /// Open connections of one user; the next one is closed without an answer.
    pub per_user: usize,
}

/// What the sockets count, all together.
#[derive(Debug, Default)]
pub struct ServerFigures {
    pub connections: AtomicU64,
    /// Gauge.
    pub connections_open: AtomicU64,
    /// Closed because their user had enough open.
    pub throttled: AtomicU64,
    pub requests: AtomicU64,
    pub refused: AtomicU64,
    pub panicked: AtomicU64,
    pub accept_errors: AtomicU64,
}

/// One API on any number of sockets, each with its own throttle.
#[derive(Clone)]
pub(crate) struct Server {
    api: Arc<dyn Api>,
    limits: ServerLimits,
    figures: Arc<ServerFigures>,
}

type Open = Arc<Mutex<HashMap<u32, usize>>>;

impl Server {
    pub(crate) fn new(api: Arc<dyn Api>, limits: ServerLimits, figures: Arc<ServerFigures>) -> Self {
        Self { api, limits, figures }
    }

    /// Accepts until `stop` changes or its sender is gone, then lets requests that run finish for a while.
    pub(crate) async fn run(self, listener: UnixListener, mut stop: watch::Receiver<bool>) {
        let open = Open::default();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                Some(ended) = connections.join_next() => self.note_end(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        if let Some((peer, place)) = self.admit(&stream, &open) {
                            let (server, stop) = (self.clone(), stop.clone());
                            connections.spawn(async move {
                                let _place = place;
                                server.serve(stream, peer, stop).await;
                            });
                        }
                    }
                    Err(error) => {
                        self.figures.accept_errors.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(%error, "A local socket gives no connection.");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        let _ = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = connections.join_next().await {
                self.note_end(ended);
            }
        })
        .await;
    }

    fn note_end(&self, ended: Result<(), tokio::task::JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            self.figures.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!("A request on a local socket panicked; its connection is closed.");
        }
    }

    fn admit(&self, stream: &UnixStream, open: &Open) -> Option<(Peer, Place)> {
        self.figures.connections.fetch_add(1, Ordering::Relaxed);
        let credentials = stream.peer_cred().ok()?;
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let peer = Peer { uid: credentials.uid(), pid };
        let mut counts = open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let count = counts.entry(peer.uid).or_default();
        if *count >= self.limits.per_user || all >= self.limits.per_user * USERS_AT_LIMIT {
            self.figures.throttled.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(uid = peer.uid, "A user has too many connections open on a local socket.");
            return None;
        }
        *count += 1;
        self.figures.connections_open.fetch_add(1, Ordering::Relaxed);
        Some((peer, Place { uid: peer.uid, open: Arc::clone(open), figures: Arc::clone(&self.figures) }))
    }

    async fn serve(&self, stream: UnixStream, peer: Peer, mut stop: watch::Receiver<bool>) {
        let service = service_fn(move |request| self.handle(request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            // Some clients close their half once they have asked.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            _ = stop.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "A connection on a local socket broke off.");
        }
    }

    async fn handle(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Result<Response<ReplyBody>, std::convert::Infallible> {
        self.figures.requests.fetch_add(1, Ordering::Relaxed);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let outcome = match self.read(request, peer).await {
            Ok(call) => self.api.answer(&call).await,
            Err(problem) => Err(problem),
        };
        let reply = outcome.unwrap_or_else(|problem| {
            self.figures.refused.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%method, path, status = problem.status, reason = problem.message, "Refused.");
            problem.reply()
        });
        tracing::debug!(%method, path, status = reply.response.status().as_u16(), "Answered.");
        Ok(reply.response)
    }

    async fn read(&self, request: Request<Incoming>, peer: Peer) -> Result<Call, Problem> {
        let (head, body) = request.into_parts();
        let invalid = || Problem::new(400, "invalid api-version");
        let query = Call::query_of(head.uri.query().unwrap_or_default())
            .ok_or_else(|| Problem::parameter("query"))?;
        let version = query.iter().find(|(name, _)| name == "api-version").map(|(_, version)| version);
        let version = version.ok_or_else(|| Problem::new(400, "api-version not specified"))?;
        let version = self.api.versions().find(version).ok_or_else(invalid)?;
        let segments = Call::segments_of(head.uri.path()).ok_or_else(Problem::not_found)?;
        let body = collect(&head.method, &head.headers, body).await?;
        Ok(Call { method: head.method, segments, query, version, body, peer })
    }
}

async fn collect(method: &Method, headers: &HeaderMap, body: Incoming) -> Result<Body, Problem> {
    if body.is_end_stream() {
        return Ok(Body::Absent);
    }
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let essence = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let is_json = essence.is_none_or(|essence| essence.eq_ignore_ascii_case("application/json"));
    if !is_json && *method == Method::PUT {
        return Err(Problem::new(415, "the body must be application/json"));
    }
    let limited = Limited::new(body, BODY_BYTES_MAX).collect();
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, limited).await {
        Err(_) => return Err(Problem::new(408, "the body did not arrive in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Problem::new(413, format!("the body has more than {BODY_BYTES_MAX} bytes")));
        }
        Ok(Err(error)) => return Err(Problem::new(400, format!("the body broke off: {error}"))),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    Ok(match (bytes.is_empty(), is_json) {
        (true, _) => Body::Absent,
        (false, true) => Body::Json(bytes),
        (false, false) => Body::Foreign,
    })
}

/// A connection's place among those of its user.
struct Place {
    uid: u32,
    open: Open,
    figures: Arc<ServerFigures>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.uid);
            }
        }
        self.figures.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}
