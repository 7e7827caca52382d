//! Why the daemon could not start, and how it ended.

use std::path::PathBuf;

use skerry_keys::{CertificateError, FileError, KeyError};

use crate::cloud::{ProofError, TlsSetupError};
use crate::config::Undone;
use crate::identities::{CacheError, IdentityError};
use crate::sockets::{ActivationError, SocketError};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it was told to.
    Stopped,
    /// The device is to be provisioned anew: start again. The original exits with 154 here.
    Reprovision,
    /// A new configuration was applied: read it, and start again.
    Reload,
}

/// The daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("provisioning is switched off: write source = \"manual\" into [provisioning], then apply")]
    NotProvisioned,
    #[error(transparent)]
    Undone(#[from] Undone),
    #[error("{}: {text}", .path.display())]
    AdditionalInfo { path: PathBuf, text: String },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the Edge CA: {0}")]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Activation(#[from] ActivationError),
    #[error("starting broke off, see the log")]
    Broken,
}
