//! Whom commands trust: one file, or what the system trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::Failure;

pub fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let cannot = |error: &dyn std::fmt::Display| {
                Failure::usage(format!("cannot use the trust anchor {}: {error}", path.display()))
            };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| cannot(&error))?;
            for certificate in certificates {
                roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
            }
            if roots.is_empty() {
                return Err(cannot(&"it holds no certificate"));
            }
        }
        None => {
            // One unreadable file among the system's does not spoil the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
