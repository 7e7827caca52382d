//! Who wants in, and why not.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use skerry_model::{DeviceId, ModuleId};

/// Who a client says that it is.
#[derive(Clone, Debug)]
pub struct Claim {
    pub device: DeviceId,
    pub module: Option<ModuleId>,
    /// The host that the client believes to speak with.
    pub host: String,
    pub proof: Proof,
    /// The plug-and-play model that the client announces.
    pub model: Option<String>,
    /// What the client says that it is made of; for people.
    pub client: Option<String>,
    /// The gateways on whose word it comes, from the leaf on.
    pub chain: Option<String>,
    pub session: SessionKind,
    pub peer: SocketAddr,
}

/// What becomes of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// They outlive the connection.
    Kept,
    /// They end with it, as do those that an earlier one left.
    Clean,
    /// They end with it; those that an earlier one left are of another protocol, and stay.
    Passing,
}

/// What a client shows.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A token's text.
    Token(String),
    /// The key of the first certificate is proven to be the client's; nothing else is checked.
    Certificate(PeerCertificates),
    Nothing,
}

/// The certificates of a client, its own first. Never empty.
pub type PeerCertificates = Arc<[CertificateDer<'static>]>;

/// Why an identity is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not there, or not proven. What exactly is for our own log.
    #[error("{what}")]
    Unauthorised { what: String },
    #[error("the device is disabled")]
    Disabled,
    /// Ours, or too much at once; another try may succeed.
    #[error("{what}")]
    Unavailable { what: String },
}
