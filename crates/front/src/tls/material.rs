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
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ProducesTickets;
use skerry_model::{Clock, Random, Timestamp};

use super::authority::AuthorityError;
use super::config::{Alpn, ClockTime, Resolver, server_config};
use super::files::FileError;
use super::own::{self, OperatorFiles, load, load_changed, own_certificate, own_files};
use super::server::CertificateError;
use crate::certificate::Certificate;

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
            Some(operator) => load(operator, &provider)?,
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
        options.operator.is_none().then(|| options.directory.join(own::ROOT))
    }

    /// When that root expires. Touches the disk: not for async code.
    pub fn root_expires_at(&self) -> Option<Timestamp> {
        let der = CertificateDer::from_pem_file(self.root_path()?).ok()?;
        Certificate::parse(&der).ok().map(|root| root.not_after)
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
        let found = match &options.operator {
            Some(operator) => load_changed(operator, current.fingerprint, now, &self.provider),
            None if current.is_due(now) => own_certificate(options, &self.provider).map(Some),
            None => load_changed(&own_files(&options.directory), current.fingerprint, now, &self.provider),
        };
        let server = match found {
            Err(error) => return Check::Kept { error },
            Ok(None) => return Check::Unchanged,
            Ok(Some(server)) => server,
        };
        let until = server.not_after;
        self.resolver.0.store(Arc::new(server));
        Check::Swapped { until }
    }
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
