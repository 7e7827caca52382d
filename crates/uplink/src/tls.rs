//! Whom to trust, and as whom to speak, from PEM.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Turned into one configuration for any number of connections.
#[derive(Clone, Copy, Debug)]
pub struct TlsOptions<'a> {
    /// The trust anchors (PEM), one or more.
    pub roots: &'a [u8],
    pub certificate: Option<ClientCertificate<'a>>,
    /// Whether a later connection may lean on the handshake of an earlier one.
    pub resumption: bool,
}

/// A certificate with its intermediates, and its key (PEM).
#[derive(Clone, Copy)]
pub struct ClientCertificate<'a> {
    pub chain: &'a [u8],
    pub key: &'a [u8],
}

impl std::fmt::Debug for ClientCertificate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCertificate(***)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the trust anchors cannot be read: {0}")]
    Roots(pem::Error),
    #[error("there is no certificate among the trust anchors, use a PEM file that holds one")]
    NoRoots,
    #[error("the client certificate or its key cannot be read: {0}")]
    Certificate(pem::Error),
    #[error("the certificates cannot be used: {0}")]
    Unfit(#[from] rustls::Error),
}

impl TlsOptions<'_> {
    pub fn build(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.roots) {
            roots.add(certificate.map_err(TlsError::Roots)?)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            None => config.with_no_client_auth(),
            Some(ClientCertificate { chain, key }) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
                let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Certificate)?;
                config.with_client_auth_cert(chain.map_err(TlsError::Certificate)?, key)?
            }
        };
        if !self.resumption {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}
