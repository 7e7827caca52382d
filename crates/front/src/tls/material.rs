//! The TLS material of a house: where its certificate comes from, and the watch that keeps it good.
//!
//! ```text
//! DIR/root-ca.pem       given to devices; made on the first start, then never touched
//! DIR/root-ca.key.pem   may be kept elsewhere between renewals
//! DIR/server.pem        made again when the names change, when a third of its life is left, or when it
//! DIR/server.key.pem    does not hang below the root
//! ```
//!
//! With an operator's own files none of these is made. Either way both files are looked at every 30 seconds
//! and taken when they changed, without a restart. Files that do not fit together change nothing: the old
//! certificate stays and one warning tells why, once for each content.
//!
//! A key is always written before its certificate, so a crash between the two leaves a pair that does not
//! match, which the next start replaces.

use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::ProducesTickets;
use skerry_model::{Clock, Random, Timestamp};

use super::authority::{Authority, AuthorityError};
use super::config::{Alpn, ClockTime, Resolver, server_config};
use super::files::{self, Access, FileError};
use super::server::{CertificateError, Fingerprint, ServerCertificate};

const CHECK_EVERY: Duration = Duration::from_secs(30);

pub struct TlsOptions {
    /// `DIR/tls`, owned by this process.
    pub directory: PathBuf,
    /// Every host name under which clients reach us; the first one names the root.
    pub names: Vec<String>,
    pub ips: Vec<IpAddr>,
    /// A certificate that somebody else renews; then nothing is made here.
    pub operator: Option<OperatorFiles>,
    /// Of the certificates that are made here: [`super::SERVER_LIFETIME`].
    pub lifetime: Duration,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

#[derive(Clone, Debug)]
pub struct OperatorFiles {
    /// PEM, the server's certificate first, then the intermediates.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a look at the files came to.
#[derive(Debug)]
pub enum Check {
    Unchanged,
    Swapped {
        until: Timestamp,
    },
    /// The files are not usable, or no new certificate could be made; the old one stays.
    Kept {
        error: TlsError,
    },
}

/// Cheap to clone; all clones show the same certificate.
#[derive(Clone)]
pub struct TlsMaterial {
    shared: Arc<Shared>,
}

struct Shared {
    options: TlsOptions,
    provider: Arc<CryptoProvider>,
    ticketer: Arc<dyn ProducesTickets>,
    resolver: Arc<Resolver>,
    /// What was last complained about; also makes checks take turns.
    complained: Mutex<Option<String>>,
}

impl TlsMaterial {
    /// Reads what is there and makes what is missing. Touches the disk: call it before serving.
    pub fn open(options: TlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = match &options.operator {
            Some(operator) => load(&operator.certificate, &operator.key, &provider)?,
            None => own_certificate(&options, &provider)?,
        };
        let now = options.clock.now();
        if server.not_after <= now {
            tracing::warn!(until = %server.not_after, "The server certificate has expired, clients will refuse it.");
        }
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(server)));
        let ticketer = aws_lc_rs::Ticketer::new().map_err(|source| TlsError::Library { source })?;
        let complained = Mutex::new(None);
        Ok(Self { shared: Arc::new(Shared { options, provider, ticketer, resolver, complained }) })
    }

    /// For a listener; certificates that are swapped later reach it by themselves.
    pub fn server_config(&self, alpn: Alpn) -> Result<Arc<ServerConfig>, TlsError> {
        let shared = &self.shared;
        let time = ClockTime(Arc::clone(&shared.options.clock));
        let (resolver, ticketer) = (Arc::clone(&shared.resolver), Arc::clone(&shared.ticketer));
        let config = server_config(alpn, resolver, ticketer, time, Arc::clone(&shared.provider));
        config.map(Arc::new).map_err(|source| TlsError::Library { source })
    }

    /// When the certificate that is shown now expires.
    pub fn expires_at(&self) -> Timestamp {
        self.shared.resolver.0.load().not_after
    }

    /// The root that devices have to trust; `None` with an operator's files.
    pub fn root_path(&self) -> Option<PathBuf> {
        let options = &self.shared.options;
        options.operator.is_none().then(|| options.directory.join(ROOT))
    }

    /// Looks at the files every 30 seconds until `shutdown` is done.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(CHECK_EVERY) => {}
            }
            let this = self.clone();
            if tokio::task::spawn_blocking(move || this.check()).await.is_err() {
                tracing::error!("A look at the TLS files panicked; the next one follows.");
            }
        }
    }

    /// Looks at the files now. Touches the disk: not for async code.
    pub fn check(&self) -> Check {
        let mut complained = self.shared.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.shared.look();
        match &outcome {
            Check::Unchanged => {}
            Check::Swapped { until } => {
                *complained = None;
                tracing::info!(%until, "New connections get the renewed server certificate.");
            }
            Check::Kept { error } => {
                let text = error.to_string();
                if complained.as_ref() != Some(&text) {
                    let until = self.expires_at();
                    tracing::warn!(%error, %until, "The server certificate stays as it was.");
                    *complained = Some(text);
                }
            }
        }
        outcome
    }
}

impl Shared {
    fn look(&self) -> Check {
        let options = &self.options;
        let current = self.resolver.0.load_full();
        let now = options.clock.now();
        let own = (options.directory.join(SERVER), options.directory.join(SERVER_KEY));
        let (certificate, key) = match &options.operator {
            Some(operator) => (&operator.certificate, &operator.key),
            None => (&own.0, &own.1),
        };
        let found = changed(certificate, key, current.fingerprint, now, &self.provider);
        let server = match found {
            Err(error) => return Check::Kept { error },
            Ok(Some(server)) => server,
            Ok(None) if options.operator.is_none() && current.is_due(now) => {
                match own_certificate(options, &self.provider) {
                    Ok(server) => server,
                    Err(error) => return Check::Kept { error },
                }
            }
            Ok(None) => return Check::Unchanged,
        };
        let until = server.not_after;
        self.resolver.0.store(Arc::new(server));
        Check::Swapped { until }
    }
}

const ROOT: &str = "root-ca.pem";
const ROOT_KEY: &str = "root-ca.key.pem";
const SERVER: &str = "server.pem";
const SERVER_KEY: &str = "server.key.pem";

fn load(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<ServerCertificate, TlsError> {
    let (certificate_pem, key_pem) = (files::read(certificate)?, files::read(key)?);
    parse(certificate, &certificate_pem, key, &key_pem, provider)
}

fn parse(
    certificate: &Path,
    certificate_pem: &[u8],
    key: &Path,
    key_pem: &[u8],
    provider: &CryptoProvider,
) -> Result<ServerCertificate, TlsError> {
    ServerCertificate::from_pem(certificate_pem, key_pem, provider).map_err(|source| {
        let path = if source == CertificateError::Key { key } else { certificate };
        TlsError::Server { path: path.to_owned(), source }
    })
}

/// The certificate in the files, if they are others than those of `known` and usable.
fn changed(
    certificate: &Path,
    key: &Path,
    known: Fingerprint,
    now: Timestamp,
    provider: &CryptoProvider,
) -> Result<Option<ServerCertificate>, TlsError> {
    let (certificate_pem, key_pem) = (files::read(certificate)?, files::read(key)?);
    if Fingerprint::of(&certificate_pem, &key_pem) == known {
        return Ok(None);
    }
    let server = parse(certificate, &certificate_pem, key, &key_pem, provider)?;
    if server.not_after <= now {
        let source = CertificateError::Expired { at: server.not_after };
        return Err(TlsError::Server { path: certificate.to_owned(), source });
    }
    Ok(Some(server))
}

/// The certificate of our own making: the one on disk where it is still right, else a new one.
fn own_certificate(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerCertificate, TlsError> {
    let directory = &options.directory;
    files::make_directory(directory)?;
    let now = options.clock.now();
    let (root_path, root_key_path) = (directory.join(ROOT), directory.join(ROOT_KEY));
    let (server_path, key_path) = (directory.join(SERVER), directory.join(SERVER_KEY));
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
            if let Some(server) = still_right(options, &root_pem, &server_path, &key_path, provider) {
                return Ok(server);
            }
            let root_key = files::read_if_there(&root_key_path)?
                .ok_or_else(|| TlsError::RootKeyMissing { path: root_key_path.clone() })?;
            Authority::from_pem(&root_pem, &root_key).map_err(failed)?
        }
    };
    let issued = authority.issue(&options.names, &options.ips, options.lifetime, now, &*options.random);
    let issued = issued.map_err(failed)?;
    files::write(&key_path, issued.key_pem.as_bytes(), Access::OwnerOnly)?;
    files::write(&server_path, issued.certificate_pem.as_bytes(), Access::Everyone)?;
    load(&server_path, &key_path, provider)
}

fn still_right(
    options: &TlsOptions,
    root_pem: &[u8],
    server_path: &Path,
    key_path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Option<ServerCertificate> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let root = CertificateDer::from_pem_slice(root_pem).ok()?;
    let server = load(server_path, key_path, provider).ok()?;
    let now = options.clock.now();
    let right = !server.is_due(now) && server.is_for(&options.names, &options.ips, &root, now, provider);
    right.then_some(server)
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {source}", .path.display())]
    Server { path: PathBuf, source: CertificateError },
    #[error("{}: {source}", .path.display())]
    Authority { path: PathBuf, source: AuthorityError },
    #[error("{} is missing and a new server certificate is due: put the root's key back, or move root-ca.pem away to get a new root, which every device then has to trust", .path.display())]
    RootKeyMissing { path: PathBuf },
    #[error("the TLS library refuses its own settings: {source}")]
    Library { source: rustls::Error },
}
