//! The accept loop of one listener: takes connections, does their handshakes, hands over TLS streams.
//!
//! ```text
//! accept ──► full? refuse ──► half-open ──► first byte ──► TLS ──► serve(stream) ──► gone
//!                               └── evicted, timed out, failed, stopping ──────────► gone
//! ```
//!
//! TLS state is made only when the first byte is there, so that a connection that sends nothing costs a
//! small task and a socket. Running out of file descriptors delays the next accept, it does not end the loop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::bind::Listener;
use super::gate::{Gate, Handshake};
use crate::tls::TlsStream;

pub(crate) type TlsTcp = TlsStream<TcpStream>;

const BACK_OFF_FIRST: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Becomes `true` once, when connections have to finish; cheap to clone.
#[derive(Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Done when it is time to stop, also when the one who would say so is gone.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

pub(crate) struct Acceptor {
    pub(crate) listener: Listener,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) gate: Arc<Gate>,
    /// Where handshakes are made, if that is elsewhere.
    pub(crate) handshakes: Option<runtime::Handle>,
    /// How long connections may take to finish once it is time to stop.
    pub(crate) drain: Duration,
}

impl Acceptor {
    /// Accepts until `stopping`, then lets connections finish for a while and drops the rest.
    pub(crate) async fn run<S, F>(self, mut stopping: Stopping, serve: S)
    where
        S: Fn(TlsTcp, SocketAddr, Stopping) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        let mut back_off = BACK_OFF_FIRST;
        let stop = stopping.clone();
        loop {
            tokio::select! {
                () = stopping.wait() => break,
                Some(ended) = connections.join_next() => self.count_end(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        back_off = BACK_OFF_FIRST;
                        self.admit(stream, peer, &stop, &serve, &mut connections);
                    }
                    Err(error) => {
                        self.gate.figures.accept_errors.increment();
                        if is_of_one_connection(&error) {
                            continue;
                        }
                        if back_off == BACK_OFF_FIRST {
                            tracing::warn!(%error, "Cannot accept connections for now; if files ran out, raise the limit of open files.");
                        }
                        tokio::time::sleep(back_off).await;
                        back_off = (back_off * 2).min(BACK_OFF_MAX);
                    }
                },
            }
        }
        let Self { listener, gate, drain, .. } = self;
        drop(listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, drained).await.is_err() {
            let open = gate.figures.connections_open.get();
            tracing::info!(open, "Connections that did not finish in time are dropped.");
        }
        connections.shutdown().await;
    }

    fn admit<S, F>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stop: &Stopping,
        serve: &S,
        connections: &mut JoinSet<()>,
    ) where
        S: Fn(TlsTcp, SocketAddr, Stopping) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let figures = &self.gate.figures;
        figures.connections_accepted.increment();
        let Some(place) = self.gate.enter() else {
            figures.connections_refused_full.increment();
            return;
        };
        let handshake = self.gate.begin_handshake(peer.ip());
        let (gate, tls) = (Arc::clone(&self.gate), Arc::clone(&self.tls));
        let elsewhere = self.handshakes.clone();
        let (mut stop, serve) = (stop.clone(), serve.clone());
        let open = Arc::clone(&self.gate);
        // Made outside of the task and boxed, so that an open connection holds the room of neither its
        // handshake nor its stream's way to whoever serves it.
        let connecting = Box::pin(async move {
            let stream = tokio::select! {
                stream = shake_hands_at(elsewhere, stream, tls, &gate) => stream?,
                () = handshake.evicted() => return None,
                () = stop.wait() => return None,
            };
            drop::<Handshake>(handshake);
            Some(Box::pin(serve(stream, peer, stop)))
        });
        connections.spawn(async move {
            let _open = open.figures.connections_open.raise(1);
            let _place = place;
            if let Some(serving) = connecting.await {
                serving.await;
            }
        });
    }

    fn count_end(&self, ended: Result<(), JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            self.gate.figures.connections_panicked.increment();
        }
    }
}

/// There, and back here: whoever serves the connection does not stop for what others compute.
async fn shake_hands_at(
    elsewhere: Option<runtime::Handle>,
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    gate: &Arc<Gate>,
) -> Option<TlsTcp> {
    let Some(elsewhere) = elsewhere else { return shake_hands(stream, tls, gate).await };
    let (stream, gate) = (stream.into_std().ok()?, Arc::clone(gate));
    // Ended when nobody waits for it any more.
    let mut handshake = JoinSet::new();
    handshake.spawn_on(
        async move {
            let stream = shake_hands(TcpStream::from_std(stream).ok()?, tls, &gate).await?;
            stream.over(TcpStream::into_std).ok()
        },
        &elsewhere,
    );
    let shaken = handshake.join_next().await?.ok()??;
    shaken.over(TcpStream::from_std).ok()
}

async fn shake_hands(stream: TcpStream, tls: Arc<ServerConfig>, gate: &Gate) -> Option<TlsTcp> {
    let figures = &gate.figures;
    let handshake = async {
        stream.set_nodelay(true)?;
        stream.readable().await?;
        // Boxed: rustls needs its room only for this while.
        Box::pin(TlsStream::accept(tls, stream)).await
    };
    match tokio::time::timeout(gate.limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => {
            figures.handshakes_done.increment();
            Some(stream)
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "A TLS handshake failed.");
            figures.handshakes_failed.increment();
            None
        }
        Err(_) => {
            figures.handshakes_timed_out.increment();
            None
        }
    }
}

/// The connection was gone before it was taken; the listener is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
