//! Where to connect, and how to get there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::link::{Link, Wire};
use crate::{Error, WebSocket};

/// A server's front door.
#[derive(Clone, Debug)]
pub struct Place {
    pub address: SocketAddr,
    /// The name that the server's certificate must have, and whom to trust; without it, plain TCP.
    pub tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    /// MQTT goes inside of a WebSocket.
    pub websocket: Option<WebSocket>,
    /// From the first packet of TCP to the answer to CONNECT.
    pub connect_timeout: Duration,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Place {
    pub(crate) async fn link(&self) -> Result<Link, Error> {
        let unreachable = |source| Error::Unreachable { place: self.to_string(), source };
        let tcp = TcpStream::connect(self.address).await.map_err(unreachable)?;
        // Packets are put together here; the system must not wait for more of them.
        tcp.set_nodelay(true).map_err(unreachable)?;
        let wire = match &self.tls {
            None => Wire::Tcp(tcp),
            Some((name, config)) => {
                let connected = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await;
                let stream = connected.map_err(|source| match source.kind() {
                    // What rustls finds wrong comes as this kind.
                    io::ErrorKind::InvalidData => Error::Untrusted { place: self.to_string(), source },
                    _ => unreachable(source),
                })?;
                Wire::Tls(Box::new(stream))
            }
        };
        Link::open(wire, self.websocket.as_ref()).await.map_err(unreachable)
    }
}
