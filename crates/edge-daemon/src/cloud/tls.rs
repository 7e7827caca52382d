//! Whom the daemon takes for its hub.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError as Why, ClientConfig, RootCertStore};
use skerry_keys::{FileError, read_file};

use super::credential::{Proof, Shown};

/// The system's roots, and those of the given files.
pub fn trusted_roots(files: &[&Path]) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    // One unreadable file among the system's does not spoil the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for &path in files {
        let unreadable = || TlsSetupError::Unreadable { path: path.to_owned() };
        let pem = read_file(path)?.ok_or_else(|| FileError::Missing { path: path.to_owned() })?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
        }
        if roots.len() == before {
            return Err(unreadable());
        }
    }
    Ok(roots)
}

/// TLS towards the hub, with the device's certificate where it has one.
pub fn client_config(roots: RootCertStore, proof: &Proof) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsSetupError::Library { source })?
        .with_root_certificates(roots);
    Ok(Arc::new(match proof {
        Proof::Key { .. } => config.with_no_client_auth(),
        Proof::Certificate(certified) => {
            config.with_client_cert_resolver(Arc::new(Shown(Arc::clone(certified))))
        }
    }))
}

/// Why there is no trusted connection, and what to look at where that is known.
pub fn explained(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let advice = match inner {
        // The second is a root of the same name: the hub was set up anew.
        Some(rustls::Error::InvalidCertificate(Why::UnknownIssuer | Why::BadSignature)) => {
            "; the root of a hub that no public authority knows is named as hub_ca_cert in [skerry]"
        }
        Some(rustls::Error::InvalidCertificate(
            Why::Expired | Why::ExpiredContext { .. } | Why::NotValidYet | Why::NotValidYetContext { .. },
        )) => "; is this machine's clock right?",
        _ => "",
    };
    format!("{error}{advice}")
}

#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} holds no root certificate in PEM: check the path in the configuration", .path.display())]
    Unreadable { path: PathBuf },
    #[error("the TLS library refuses its own settings: {source}")]
    Library { source: rustls::Error },
}
