//! `/skerry/v1/status`: the device at a glance, for its operator.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::statvfs;
use serde_json::{Map, Value, json};
use skerry_model::Timestamp;
use tokio::task::spawn_blocking;

use super::{Shared, host};
use crate::api::{Problem, Reply};
use crate::cloud::DEVICE_KEY;
use crate::parts::PartState;

impl Shared {
    pub(super) async fn show_status(&self) -> Result<Reply, Problem> {
        let device = self.identities.device();
        let (root, home) = (self.system.root.clone(), self.system.home.clone());
        let kept = device.is_x509.then(|| Arc::clone(&self.certificates));
        let machine = spawn_blocking(move || {
            let own = kept.and_then(|kept| kept.chain(DEVICE_KEY).ok().flatten());
            (host::usage(&root), disk(home), own)
        });
        let machine = machine.await;
        let (usage, disk, own) = machine.map_err(|_| Problem::new(500, "the machine cannot be read"))?;
        let mut parts = Map::new();
        for part in self.parts.iter() {
            let mut told = match part.look().await {
                Some(Value::Object(told)) => told,
                _ => Map::new(),
            };
            told.insert("running".to_owned(), matches!(part.state(), PartState::Running { .. }).into());
            parts.insert(part.name().to_owned(), told.into());
        }
        // Without its engine the device has no modules, which is for the agent to tell.
        let containers = self.runtime.list().await.unwrap_or_default();
        let running = containers.iter().filter(|container| container.pid.is_some()).count();
        let until = |what: &str, at: Timestamp| json!({"certificate": what, "expiresAt": at.to_string()});
        let own = own.map(|own| until("device", own.validity.not_after));
        let edge_ca = until("Edge CA", self.edge_ca.chain().validity.not_after);
        let certificates: Vec<Value> = own.into_iter().chain([edge_ca]).collect();
        Ok(Reply::json(
            200,
            &json!({
                "device": device.id.to_string(),
                "hub": device.hub.name(),
                "parent": (device.gateway != device.hub).then(|| device.gateway.name()),
                "version": self.system.version,
                "now": self.clock.now().to_string(),
                "uptimeSeconds": usage.get("process_uptime"),
                "containers": {"all": containers.len(), "running": running},
                "disk": disk,
                "certificates": certificates,
                "parts": parts,
            }),
        ))
    }
}

/// The one that has our own files.
fn disk(home: PathBuf) -> Value {
    match statvfs(home) {
        Ok(found) => json!({
            "bytes": found.f_blocks * found.f_frsize,
            "freeBytes": found.f_bavail * found.f_frsize,
        }),
        Err(_) => Value::Null,
    }
}
