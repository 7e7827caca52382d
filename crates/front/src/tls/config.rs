//! The rustls side: what is offered, and the resolver through which a renewed certificate takes effect for
//! the next handshake while open connections stay as they are.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ServerConfig, version};
use skerry_model::{Clock, Timestamp};

use super::client::ClientCertificates;
use super::server::ServerCertificate;

/// What a listener speaks inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2 for those who ask for it, HTTP/1.1 for everybody else.
    Http,
    /// No protocol is negotiated: MQTT and AMQP clients do not ask for one.
    None,
}

impl Alpn {
    fn names(self) -> Vec<Vec<u8>> {
        match self {
            Alpn::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Alpn::None => Vec::new(),
        }
    }
}

pub(super) fn server_config(
    alpn: Alpn,
    resolver: Arc<Resolver>,
    ticketer: Arc<dyn ProducesTickets>,
    time: ClockTime,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let clients = ClientCertificates::new(&provider);
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(time))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(resolver);
    config.alpn_protocols = alpn.names();
    // Tickets keep sessions at the clients: nothing is stored here, however many there are.
    config.ticketer = ticketer;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Hands out the certificate of the moment.
pub(super) struct Resolver(pub(super) ArcSwap<ServerCertificate>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolver(until {})", self.0.load().not_after)
    }
}

/// Our clock in the shape that rustls asks for.
pub(super) struct ClockTime(pub(super) Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.now().since(Timestamp::from_unix_seconds(0))))
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockTime")
    }
}
