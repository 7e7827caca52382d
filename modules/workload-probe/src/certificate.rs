//! Whether an issued certificate is good for what it is for, in the eyes of somebody who knows only the
//! trust bundle; and whether its key is the one.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;

pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    read.map_err(|error| error.to_string())
}

/// For a server of this name.
pub(crate) fn serves(name: &str, chain: &str, key: &str, trusted: &str) -> Result<(), String> {
    let chain = fitting(chain, key)?;
    let (own, above) = chain.split_first().ok_or("no certificate")?;
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(trusted)?, default_provider().into());
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let judged = verifier.verify_server_cert(own, above, &name, &[], UnixTime::now());
    judged.map(drop).map_err(|error| error.to_string())
}

/// For a client who shows it to servers.
pub(crate) fn proves(chain: &str, key: &str, trusted: &str) -> Result<(), String> {
    let chain = fitting(chain, key)?;
    let (own, above) = chain.split_first().ok_or("no certificate")?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(trusted)?, default_provider().into());
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let judged = verifier.verify_client_cert(own, above, UnixTime::now());
    judged.map(drop).map_err(|error| error.to_string())
}

fn fitting(chain: &str, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| error.to_string())?;
    let pair = CertifiedKey::from_der(certificates(chain)?, key, &default_provider());
    let pair = pair.map_err(|error| error.to_string())?;
    pair.keys_match().map_err(|error| error.to_string())?;
    Ok(pair.cert)
}

fn roots(trusted: &str) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(trusted)?);
    Ok(Arc::new(roots))
}
