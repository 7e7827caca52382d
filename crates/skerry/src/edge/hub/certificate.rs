//! The edge hub's server certificate: issued by the daemon below the Edge CA, and renewed while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skerry_edge_daemon::Handle;
use skerry_front::{Check, OperatorFiles, SERVER_LIFETIME, TlsMaterial, TlsOptions};
use skerry_keys::Chain;
use skerry_model::{Clock, Random};

use super::hub_id;
use super::life::{Authority, Life, Source, keep_good};
use crate::failure::Failure;

/// Where it lies in the hub's folder.
pub const CERTIFICATE: &str = "tls/server.pem";

pub(super) struct Certificate {
    life: Life,
    source: OfDaemon,
}

/// Issues them, writes them, and shows them.
struct OfDaemon {
    daemon: Handle,
    files: OperatorFiles,
    tls: TlsMaterial,
    clock: Arc<dyn Clock>,
}

impl Certificate {
    /// A new one at each start: the names may have changed.
    pub(super) async fn issue(
        daemon: &Handle,
        folder: &Path,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Self, Failure> {
        let directory = folder.join("tls");
        super::super::running::private_folder(&directory).map_err(Failure::failed)?;
        let files =
            OperatorFiles { certificate: folder.join(CERTIFICATE), key: directory.join("server.key.pem") };
        let life = write(daemon, &files, clock.as_ref()).await?;
        let options = TlsOptions {
            directory,
            names: vec![daemon.host_name().to_owned()],
            ips: Vec::new(),
            operator: Some(files.clone()),
            lifetime: SERVER_LIFETIME,
            clock: Arc::clone(clock),
            random: Arc::clone(random),
        };
        let opened = tokio::task::spawn_blocking(move || TlsMaterial::open(options)).await;
        let tls = opened.map_err(Failure::failed)?.map_err(Failure::failed)?;
        let source = OfDaemon { daemon: daemon.clone(), files, tls, clock: Arc::clone(clock) };
        Ok(Self { life, source })
    }

    pub(super) fn tls(&self) -> TlsMaterial {
        self.source.tls.clone()
    }

    /// Renews it ahead of its end, for as long as this is awaited. Whoever is connected stays so.
    pub(super) async fn keep(self) {
        keep_good(self.life, self.source.clock.as_ref(), &self.source).await;
    }
}

impl Source for OfDaemon {
    fn authority(&self) -> Authority {
        Authority::of(&self.daemon.edge_ca())
    }

    async fn replace(&self) -> Result<Life, Failure> {
        let life = write(&self.daemon, &self.files, self.clock.as_ref()).await?;
        let tls = self.tls.clone();
        match tokio::task::spawn_blocking(move || tls.check()).await.map_err(Failure::failed)? {
            Check::Kept { error } => Err(Failure::failed(error)),
            Check::Swapped { .. } | Check::Unchanged => Ok(life),
        }
    }
}

/// Issues one and writes it, the key first.
async fn write(daemon: &Handle, files: &OperatorFiles, clock: &dyn Clock) -> Result<Life, Failure> {
    // Asked first: one that is renewed meanwhile issues the next certificate.
    let authority = Authority::of(&daemon.edge_ca());
    let issued = daemon.server_certificate(&hub_id()).await.map_err(Failure::failed)?;
    let now = clock.now();
    let chain = Chain::from_pem(issued.chain_pem.as_bytes(), "the edge hub's certificate");
    let chain = chain.map_err(Failure::failed)?;
    let files = files.clone();
    let written = tokio::task::spawn_blocking(move || {
        replace(&files.key, issued.key_pem.as_bytes())?;
        replace(&files.certificate, issued.chain_pem.as_bytes())
    });
    written.await.map_err(Failure::failed)?.map_err(Failure::failed)?;
    Ok(Life { issued: now, validity: chain.validity, authority })
}

/// For its owner alone, and never half of it.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let new: PathBuf = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
