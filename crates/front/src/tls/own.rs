//! The pair of files behind a server certificate: an operator's, or our own with the root above it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use skerry_model::Timestamp;

use super::TlsOptions;
use super::authority::{Authority, AuthorityError};
use super::files::{self, Access};
use super::material::TlsError;
use super::server::{CertificateError, Fingerprint, ServerCertificate};

pub(super) const ROOT: &str = "root-ca.pem";
const ROOT_KEY: &str = "root-ca.key.pem";
const SERVER: &str = "server.pem";
const SERVER_KEY: &str = "server.key.pem";

/// A certificate that somebody else renews.
#[derive(Clone, Debug)]
pub struct OperatorFiles {
    /// PEM, the server's certificate first, then the intermediates.
    pub certificate: PathBuf,
    /// PEM, not encrypted.
    pub key: PathBuf,
}

/// Where our own pair lies.
pub(super) fn own_files(directory: &Path) -> OperatorFiles {
    OperatorFiles { certificate: directory.join(SERVER), key: directory.join(SERVER_KEY) }
}

pub(super) fn load(files: &OperatorFiles, provider: &CryptoProvider) -> Result<ServerCertificate, TlsError> {
    let (certificate_pem, key_pem) = (files::read(&files.certificate)?, files::read(&files.key)?);
    parse(files, &certificate_pem, &key_pem, provider)
}

/// The certificate in the files, if they are others than those of `known` and usable.
pub(super) fn load_changed(
    files: &OperatorFiles,
    known: Fingerprint,
    now: Timestamp,
    provider: &CryptoProvider,
) -> Result<Option<ServerCertificate>, TlsError> {
    let (certificate_pem, key_pem) = (files::read(&files.certificate)?, files::read(&files.key)?);
    if Fingerprint::of(&certificate_pem, &key_pem) == known {
        return Ok(None);
    }
    let server = parse(files, &certificate_pem, &key_pem, provider)?;
    if server.not_after <= now {
        let source = CertificateError::Expired { at: server.not_after };
        return Err(TlsError::Server { path: files.certificate.clone(), source });
    }
    Ok(Some(server))
}

fn parse(
    files: &OperatorFiles,
    certificate_pem: &[u8],
    key_pem: &[u8],
    provider: &CryptoProvider,
) -> Result<ServerCertificate, TlsError> {
    ServerCertificate::from_pem(certificate_pem, key_pem, provider).map_err(|source| {
        let path = if source == CertificateError::Key { &files.key } else { &files.certificate };
        TlsError::Server { path: path.clone(), source }
    })
}

/// The certificate of our own making: the one on disk where it is still right, else a new one.
pub(super) fn own_certificate(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerCertificate, TlsError> {
    let directory = &options.directory;
    files::make_directory(directory)?;
    let now = options.clock.now();
    let (root_path, root_key_path) = (directory.join(ROOT), directory.join(ROOT_KEY));
    let own = own_files(directory);
    let failed = |source| TlsError::Authority { path: root_path.clone(), source };
    let authority = match files::read_if_there(&root_path)? {
        None => {
            let name = options.names.first().cloned().or_else(|| options.ips.first().map(IpAddr::to_string));
            let name = name.ok_or(AuthorityError::NoName).map_err(failed)?;
            let (authority, root) = Authority::create(&name, now, &*options.random).map_err(failed)?;
            files::write(&root_key_path, root.key_pem.as_bytes(), Access::OwnerOnly)?;
            files::write(&root_path, root.certificate_pem.as_bytes(), Access::Everyone)?;
            authority
        }
        Some(root_pem) => {
            if let Some(server) = still_right(options, &root_pem, &own, provider) {
                return Ok(server);
            }
            let root_key = files::read_if_there(&root_key_path)?
                .ok_or_else(|| TlsError::RootKeyMissing { path: root_key_path.clone() })?;
            Authority::from_pem(&root_pem, &root_key).map_err(failed)?
        }
    };
    let issued = authority.issue(&options.names, &options.ips, options.lifetime, now, &*options.random);
    let issued = issued.map_err(failed)?;
    files::write(&own.key, issued.key_pem.as_bytes(), Access::OwnerOnly)?;
    files::write(&own.certificate, issued.certificate_pem.as_bytes(), Access::Everyone)?;
    load(&own, provider)
}

fn still_right(
    options: &TlsOptions,
    root_pem: &[u8],
    own: &OperatorFiles,
    provider: &Arc<CryptoProvider>,
) -> Option<ServerCertificate> {
    let root = CertificateDer::from_pem_slice(root_pem).ok()?;
    let server = load(own, provider).ok()?;
    let now = options.clock.now();
    let right = !server.is_due(now) && server.is_for(&options.names, &options.ips, &root, now, provider);
    right.then_some(server)
}
