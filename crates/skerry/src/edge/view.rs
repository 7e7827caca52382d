//! How the agent is doing, for `iotedge list` and `iotedge check`.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Value, json};
use skerry_edge_agent::{Handle, Snapshot};
use skerry_edge_daemon::View;

pub struct AgentView(pub Handle);

impl View for AgentView {
    fn look(&self) -> Pin<Box<dyn Future<Output = Option<Value>> + Send + '_>> {
        Box::pin(async { Some(shown(&self.0.snapshot().await?)) })
    }
}

fn shown(snapshot: &Snapshot) -> Value {
    let modules = snapshot.modules.iter().map(|module| {
        json!({
            "name": module.name,
            "status": module.status,
            "restarts": module.restarts,
            "trouble": module.trouble,
        })
    });
    json!({
        "hub": snapshot.is_hub_there,
        "hubTrouble": snapshot.hub_trouble,
        "clock": snapshot.clock_trouble,
        "trouble": snapshot.trouble,
        "last": snapshot.last.as_ref().map(|last| json!({
            "version": last.version, "code": last.code, "description": last.description,
        })),
        "update": snapshot.update.as_ref().map(|update| json!({
            "version": update.version, "phase": update.phase, "text": update.text,
        })),
        "modules": modules.collect::<Vec<_>>(),
    })
}
