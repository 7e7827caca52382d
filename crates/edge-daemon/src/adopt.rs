//! Taking over what runs already.
//!
//! Containers of modules live longer than the daemon: their sockets are opened again, and they never notice.
//! They go only when this has become another device, which the digest in `cache/provisioning_state` tells,
//! written as the original writes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use skerry_keys::{FileError, read_file, write_file};
use skerry_runtime::{EngineError, NetworkOptions, Runtime};

use crate::identities::Device;
use crate::sockets::ModuleSockets;

/// Between two tries while the engine does not answer.
const PAUSE: Duration = Duration::from_secs(5);
const STATE: &str = "provisioning_state";

pub(crate) struct Adoption {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) sockets: ModuleSockets,
    pub(crate) network: NetworkOptions,
    pub(crate) device: Device,
    /// `cache/`.
    pub(crate) directory: PathBuf,
}

impl Adoption {
    /// Tries until it is done.
    pub(crate) async fn run(self) {
        let mut told = None;
        loop {
            let error = match self.adopt().await {
                Ok(()) => return,
                Err(error) => error.to_string(),
            };
            // An engine that is down for an hour is told once.
            if told.as_ref() != Some(&error) {
                tracing::warn!(error, "The modules that are there cannot be taken over yet.");
                told = Some(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn adopt(&self) -> Result<(), AdoptError> {
        let containers = self.runtime.list().await?;
        let (path, state) = (self.directory.join(STATE), digest_of(&self.device));
        if is_other(&path, &state)? {
            for container in &containers {
                tracing::info!(
                    module = container.name,
                    "This is another device than before: the module is removed."
                );
                self.runtime.remove(&container.name).await?;
                // What cannot be closed is no socket of ours.
                let _ = self.sockets.close(&container.name);
            }
            write_file(&path, state.as_bytes(), 0o600)?;
        } else {
            for container in &containers {
                if let Err(error) = self.sockets.open(&container.name) {
                    tracing::error!(%error, module = container.name, "The module is without its workload API.");
                }
            }
        }
        self.runtime.ensure_network(&self.network).await?;
        Ok(())
    }
}

fn is_other(path: &Path, state: &str) -> Result<bool, FileError> {
    Ok(read_file(path)?.is_none_or(|known| known.trim_ascii() != state.as_bytes()))
}

/// Keys in the order of the alphabet and nothing between them, as the original has it.
fn digest_of(device: &Device) -> String {
    let json = json!({
        "device_id": device.id,
        "gateway_host_name": device.gateway.name(),
        "hub_name": device.hub.name(),
    });
    STANDARD.encode(digest(&SHA256, json.to_string().as_bytes()))
}

#[derive(Debug, thiserror::Error)]
enum AdoptError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    File(#[from] FileError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_originals() {
        let device = Device {
            hub: "hub1.azure-devices.net".parse().unwrap(),
            gateway: "edge-top.plant.lan".parse().unwrap(),
            id: "edge-a".parse().unwrap(),
            is_x509: false,
        };
        assert_eq!(digest_of(&device), "F5KE1AyiDc1OgmhHQTUPYDq5Or8zqyQbMEZ4TqnDD9c=");
    }
}
