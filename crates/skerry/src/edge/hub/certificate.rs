//! The edge hub's server certificate: issued by the daemon below the Edge CA, and renewed while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_daemon::Handle;
use skerry_front::{OperatorFiles, SERVER_LIFETIME, TlsMaterial, TlsOptions};
use skerry_model::{Clock, Random, Timestamp};

use super::hub_id;
use crate::failure::Failure;

/// Where it lies in the hub's folder.
pub const CERTIFICATE: &str = "tls/server.pem";
/// Between looks; clocks jump.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Certificate {
    daemon: Handle,
    files: OperatorFiles,
    tls: TlsMaterial,
    clock: Arc<dyn Clock>,
    due: Timestamp,
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
        let due = write(daemon, &files, clock.as_ref()).await?;
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
        Ok(Self { daemon: daemon.clone(), files, tls, clock: Arc::clone(clock), due })
    }

    pub(super) fn tls(&self) -> TlsMaterial {
        self.tls.clone()
    }

    /// Renews it ahead of its end, for as long as this is awaited. Whoever is connected stays so.
    pub(super) async fn keep(mut self) {
        loop {
            tokio::time::sleep(self.due.since(self.clock.now()).min(LOOK_EVERY)).await;
            if self.clock.now() < self.due {
                continue;
            }
            match write(&self.daemon, &self.files, self.clock.as_ref()).await {
                Ok(due) => {
                    self.due = due;
                    let tls = self.tls.clone();
                    // What it finds it tells by itself.
                    drop(tokio::task::spawn_blocking(move || tls.check()).await);
                }
                Err(failure) => {
                    tracing::warn!("The edge hub's certificate is not renewed yet: {failure}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Issues one and writes it, the key first. When the next one is due: when a third of its life is left.
async fn write(daemon: &Handle, files: &OperatorFiles, clock: &dyn Clock) -> Result<Timestamp, Failure> {
    let issued = daemon.server_certificate(&hub_id()).await.map_err(Failure::failed)?;
    let now = clock.now();
    let due = now.plus(issued.not_after.since(now).mul_f64(2.0 / 3.0));
    let files = files.clone();
    let written = tokio::task::spawn_blocking(move || {
        replace(&files.key, issued.key_pem.as_bytes())?;
        replace(&files.certificate, issued.chain_pem.as_bytes())
    });
    written.await.map_err(Failure::failed)?.map_err(Failure::failed)?;
    Ok(due)
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
