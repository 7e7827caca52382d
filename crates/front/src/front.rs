//! The front door as a whole: bound first, so that its addresses are known and mistakes are told before
//! anything runs; then run until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::figures::Figures;
use crate::http::{Http, HttpLimits, HttpService};
use crate::listen::{Acceptor, Address, BindError, ConnectionLimits, Gate, Stopping, bind};
use crate::tls::{Alpn, TlsError, TlsMaterial};

/// How long requests may take to finish after the stop.
pub const DRAIN: Duration = Duration::from_secs(10);

pub struct Options {
    pub https: Address,
    pub tls: TlsMaterial,
    pub connections: ConnectionLimits,
    pub http: HttpLimits,
    /// [`DRAIN`].
    pub drain: Duration,
}

impl Options {
    /// With the default limits.
    pub fn new(https: Address, tls: TlsMaterial) -> Self {
        Self {
            https,
            tls,
            connections: ConnectionLimits::default(),
            http: HttpLimits::default(),
            drain: DRAIN,
        }
    }
}

/// Bound, not yet serving: clients that connect now wait in the system's queue.
pub struct Front {
    https: Option<Acceptor>,
    http: Http,
    tls: TlsMaterial,
    handle: Handle,
}

/// What others may see of a running front door; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    figures: Arc<Figures>,
    https_address: Option<SocketAddr>,
    tls: TlsMaterial,
}

impl Front {
    /// Opens the sockets. Needs a tokio runtime around it.
    pub fn bind(options: Options, service: Arc<dyn HttpService>) -> Result<Self, StartError> {
        let Options { https: address, tls, connections, http: limits, drain } = options;
        let figures = Arc::new(Figures::default());
        let gate = Gate::new(connections, Arc::clone(&figures));
        let config = tls.server_config(Alpn::Http)?;
        let listener = bind(address)?;
        let https_address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let https = listener.map(|listener| Acceptor { listener, tls: config, gate, drain });
        let http = Http::new(service, limits, Arc::clone(&figures));
        let handle = Handle { figures, https_address, tls: tls.clone() };
        Ok(Self { https, http, tls, handle })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where HTTPS is served, with the real port; `None` when it is off.
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.handle.https_address
    }

    /// Serves, and watches the TLS files, until `shutdown` is done and connections have finished or were
    /// dropped at the end of the drain time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { https, http, tls, handle: _ } = self;
        let (stop, stopping) = Stopping::new();
        let accept = async {
            if let Some(https) = https {
                https
                    .run(stopping.clone(), move |stream, peer, stop| http.clone().serve(stream, peer, stop))
                    .await;
            }
        };
        let mut watched = stopping.clone();
        let watch = tls.run(async move { watched.wait().await });
        let told = async {
            shutdown.await;
            // Nobody listens any more when the loops have ended by themselves.
            let _ = stop.send(true);
        };
        tokio::join!(Box::pin(accept), Box::pin(watch), told);
    }
}

impl Handle {
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https_address
    }

    /// The certificate that is shown, and its expiry.
    pub fn tls(&self) -> &TlsMaterial {
        &self.tls
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl StartError {
    /// Whether another port could help where this one is reserved for root.
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::Bind(error) if error.is_permission_denied())
    }
}
