//! Where to connect, and how to get there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Error;
use crate::link::Link;
use crate::relay::{Refusal, Relay};
use crate::websocket::{Tunnel, WebSocket};

/// A server's front door.
#[derive(Clone, Debug)]
pub struct Place {
    pub address: SocketAddr,
    /// An HTTP proxy listens at the address, and is asked for the server.
    pub relay: Option<Relay>,
    /// The name that the server's certificate must have, and whom to trust; without it, plain TCP.
    pub tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    /// Without one the protocol has a port of its own.
    pub websocket: Option<Tunnel>,
    /// From the first packet of TCP until the client is let in.
    pub connect_timeout: Duration,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.relay {
            None => self.address.fmt(f),
            Some(relay) => write!(f, "{}:{} by way of {}", relay.host, relay.port, self.address),
        }
    }
}

impl Place {
    /// Bytes of this protocol, as WebSockets call it.
    pub(crate) async fn link(&self, protocol: &str) -> Result<Link, Error> {
        let link = self.secured().await?;
        let Some(tunnel) = &self.websocket else { return Ok(link) };
        match WebSocket::open(link, tunnel, protocol).await {
            Ok(Ok(socket)) => Ok(Link::WebSocket(Box::new(socket))),
            Ok(Err(what)) => Err(Error::NoWebSocket { place: self.to_string(), what }),
            Err(source) => Err(Error::Unreachable { place: self.to_string(), source }),
        }
    }

    /// The bare stream, for who speaks something else; a WebSocket is not asked for.
    pub async fn open(&self) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, Error> {
        self.secured().await
    }

    async fn secured(&self) -> Result<Link, Error> {
        let unreachable = |source| Error::Unreachable { place: self.to_string(), source };
        let mut tcp = TcpStream::connect(self.address).await.map_err(unreachable)?;
        // Packets are put together here; the system must not wait for more of them.
        tcp.set_nodelay(true).map_err(unreachable)?;
        if let Some(relay) = &self.relay {
            let asked = relay.ask(&mut tcp).await.map_err(unreachable)?;
            asked.map_err(|Refusal { status, what }| Error::NoRelay {
                place: self.to_string(),
                status,
                what,
            })?;
        }
        let Some((name, config)) = &self.tls else { return Ok(Link::Tcp(tcp)) };
        let connected = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await;
        connected.map(|stream| Link::Tls(Box::new(stream))).map_err(|source| match source.kind() {
            // What rustls finds wrong comes as this kind.
            io::ErrorKind::InvalidData => Error::Untrusted { place: self.to_string(), source },
            _ => unreachable(source),
        })
    }
}
