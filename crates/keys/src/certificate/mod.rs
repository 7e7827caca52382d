//! Certificates: kept, issued, and the one below which everything on this device hangs.

mod authority;
mod chain;
mod edge_ca;
mod issue;
mod kept;
mod subject;
mod trust;

pub use authority::Authority;
pub use chain::Chain;
pub use edge_ca::{CaSource, EDGE_CA, EdgeCa, EdgeCaOptions, LocalCa, Renewed};
pub use issue::{Issued, ServerRequest};
pub use kept::{CertificateStore, Preloaded};
pub use subject::{Attribute, AttributeError, Subject};
pub use trust::TrustBundle;

use skerry_model::Timestamp;

use crate::error::KeyError;
use crate::file::FileError;

/// A certificate could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{what} is not readable: write PEM, the certificate itself first, then those above it")]
    Unreadable { what: String },
    #[error("{what} expired at {at}: put a renewed one in its place")]
    Expired { what: String, at: Timestamp },
    #[error("the key of {what} belongs to another certificate: put both files of the same renewal in place")]
    Mismatch { what: String },
    #[error("{what} is not allowed to issue certificates: it needs basicConstraints CA:TRUE")]
    NoAuthority { what: String },
    #[error("there is no {what}: check the path in the configuration")]
    Missing { what: String },
    #[error("{name:?} cannot stand in a certificate: use the ASCII form of the name")]
    Name { name: String },
    #[error("the request is no certificate signing request in PEM that its own key has signed")]
    Request,
    #[error(
        "a bundle names itself, or is nested too deep, at {id:?}: list certificates in [preloaded_certs]"
    )]
    Nested { id: String },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the certificate cannot be made: {source}")]
    Make { source: rcgen::Error },
}

impl From<FileError> for CertificateError {
    fn from(error: FileError) -> Self {
        Self::Key(error.into())
    }
}
