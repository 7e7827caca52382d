//! One connection from its handshake to its end: which protocol, until when, and how it is closed.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, watch};

use super::activity::{Activity, Verdict};
use super::budget::Budget;
use super::request::{Requests, Shared};
use super::watched::Watched;
use super::{HttpLimits, HttpService};
use crate::amqp::Amqp;
use crate::figures::Figures;
use crate::listen::{Stopping, TlsTcp};
use crate::mqtt::Mqtt;
use crate::websocket::{ByteStream, Inside};

/// How much, and how long, of a refused body is thrown away so that the client gets to read the refusal. A
/// socket that is closed over unread bytes is reset, and the reset overtakes the response. Most clients send
/// their whole body before they look for an answer; what is thrown away costs no decryption and no memory.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
const LINGER_MAX: Duration = Duration::from_secs(2);

const WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
const SEND_BUFFER_BYTES: usize = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams that a client opens and resets at once, before the connection is given up.
const RESETS_MAX: usize = 20;
/// Streams that we reset because of the client's errors, before the connection is given up.
const ERRORS_MAX: usize = 100;

/// Serves HTTP on TLS streams; cheap to clone.
#[derive(Clone)]
pub(crate) struct Http {
    shared: Arc<Shared>,
}

/// Why a connection's loop ended.
enum End {
    Finished,
    /// The protocol failed or the peer did: nothing more to say.
    Broken,
    Closed,
}

impl Http {
    pub(crate) fn new(
        service: Arc<dyn HttpService>,
        limits: HttpLimits,
        figures: Arc<Figures>,
        mqtt: Mqtt,
        amqp: Amqp,
    ) -> Self {
        let budget = Budget::new(limits.body_budget_bytes, Arc::clone(&figures));
        Self { shared: Arc::new(Shared { service, limits, budget, figures, mqtt, amqp }) }
    }

    pub(crate) async fn serve(self, stream: TlsTcp, peer: SocketAddr, stopping: Stopping) {
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, peer, stopping).await;
        } else {
            self.serve_http1(stream, peer, stopping).await;
        }
    }

    async fn serve_http1(self, stream: TlsTcp, peer: SocketAddr, stopping: Stopping) {
        let (requests, stream) = self.watch(stream, peer, true);
        let (activity, panicked) = (Arc::clone(&requests.activity), Arc::clone(&requests.panicked));
        let limits = &self.shared.limits;
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Activity watches the head, with idle times told apart.
            .header_read_timeout(None)
            .max_buf_size(limits.head_bytes_max.max(8192))
            .max_header_size(limits.head_bytes_max)
            .max_headers(limits.headers_max)
            .serve_connection(stream, requests);
        let end = self.drive(&mut connection, &activity, &panicked, stopping.clone()).await;
        let refused = activity.has_unread_body();
        if let (End::Finished, Some(inside)) = (&end, activity.becomes()) {
            let parts = connection.into_parts();
            let stream = parts.io.into_inner().into_inner();
            return Box::pin(self.serve_websocket(stream, parts.read_buf, inside, peer, stopping)).await;
        }
        if matches!(end, End::Finished) || refused {
            let stream = connection.into_parts().io.into_inner().into_inner();
            close(stream, refused).await;
        }
    }

    async fn serve_websocket(
        self,
        stream: TlsTcp,
        read: Bytes,
        inside: Inside,
        peer: SocketAddr,
        stopping: Stopping,
    ) {
        let certificates = stream.get_ref().1.peer_certificates().map(Into::into);
        let stream = ByteStream::new(stream, read);
        match inside {
            Inside::Mqtt => self.shared.mqtt.clone().serve(stream, peer, certificates, stopping).await,
            Inside::Amqp => self.shared.amqp.clone().serve(stream, peer, certificates, stopping).await,
        }
    }

    async fn serve_http2(self, stream: TlsTcp, peer: SocketAddr, stopping: Stopping) {
        let (requests, stream) = self.watch(stream, peer, false);
        let (activity, panicked) = (Arc::clone(&requests.activity), Arc::clone(&requests.panicked));
        let limits = &self.shared.limits;
        let (_alive, connection_ended) = watch::channel(());
        let connection = http2::Builder::new(Streams { connection_ended })
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(ERRORS_MAX)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(stream, requests);
        self.drive(&mut Box::pin(connection), &activity, &panicked, stopping).await;
    }

    fn watch(
        &self,
        stream: TlsTcp,
        peer: SocketAddr,
        reads_are_heads: bool,
    ) -> (Requests, TokioIo<Watched<TlsTcp>>) {
        let activity = Activity::new(self.shared.limits, reads_are_heads);
        let certificates = stream.get_ref().1.peer_certificates().map(Into::into);
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
        let panicked = Arc::new(Notify::new());
        (Requests { shared: Arc::clone(&self.shared), activity, peer, certificates, panicked }, stream)
    }

    async fn drive(
        &self,
        connection: &mut impl Drivable,
        activity: &Activity,
        panicked: &Notify,
        mut stopping: Stopping,
    ) -> End {
        let mut finishing = false;
        loop {
            let until = match activity.verdict() {
                Verdict::Fine { until } => until,
                verdict => {
                    self.count_close(&verdict);
                    return End::Closed;
                }
            };
            let mut look_again = pin!(tokio::time::sleep_until(until));
            tokio::select! {
                outcome = poll_fn(|context| connection.poll_drive(context)) => {
                    return if outcome.is_ok() { End::Finished } else { End::Broken };
                }
                () = &mut look_again => {}
                () = stopping.wait(), if !finishing => {
                    finishing = true;
                    activity.finish();
                    connection.finish();
                }
                () = panicked.notified(), if !finishing => {
                    finishing = true;
                    activity.finish();
                    connection.finish();
                }
            }
        }
    }

    fn count_close(&self, verdict: &Verdict) {
        let figures = &self.shared.figures;
        match verdict {
            Verdict::Fine { .. } | Verdict::Finished => {}
            Verdict::HeadLate => figures.http_heads_timed_out.increment(),
            Verdict::Idle => figures.http_idle_closed.increment(),
            Verdict::WriteStalled => figures.http_writes_stalled.increment(),
        }
    }
}

/// Says goodbye in TLS and TCP, and where a body was refused, listens until the client has heard it.
async fn close(mut stream: TlsTcp, linger: bool) {
    let goodbye = async {
        stream.shutdown().await.ok()?;
        if !linger {
            return None;
        }
        // What comes now is thrown away as it is, without decrypting it.
        let tcp = stream.get_mut();
        let mut scrap = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            left = left.saturating_sub(tcp.read(&mut scrap).await.ok().filter(|read| *read > 0)?);
        }
        Some(())
    };
    let _ = tokio::time::timeout(LINGER_MAX, goodbye).await;
}

/// What the loop needs of either protocol's connection.
trait Drivable {
    fn poll_drive(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<hyper::Result<()>>;
    /// Lets requests that run finish, takes no more.
    fn finish(&mut self);
}

type Io = TokioIo<Watched<TlsTcp>>;

impl Drivable for http1::Connection<Io, Requests> {
    fn poll_drive(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<hyper::Result<()>> {
        self.poll_without_shutdown(context)
    }

    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl Drivable for Pin<Box<http2::Connection<Io, Requests, Streams>>> {
    fn poll_drive(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<hyper::Result<()>> {
        self.as_mut().poll(context)
    }

    fn finish(&mut self) {
        self.as_mut().graceful_shutdown();
    }
}

/// Runs the streams of one HTTP/2 connection as tasks that end with it.
#[derive(Clone)]
struct Streams {
    connection_ended: watch::Receiver<()>,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut connection_ended = self.connection_ended.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stream => {}
                // Nothing is ever sent: this is done when the connection has dropped the other end.
                _ = connection_ended.changed() => {}
            }
        });
    }
}
