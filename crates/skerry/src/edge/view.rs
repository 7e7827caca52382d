//! How agent and hub are doing, for `iotedge list`, `iotedge check` and `skerry edge status`.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use serde_json::{Value, json};
use skerry_edge_agent::{Handle, Snapshot};
use skerry_edge_daemon::View;
use skerry_edge_hub::EdgeHub;
use skerry_front::DurationCounts;
use skerry_keys::{Chain, read_file};
use tokio::sync::watch;

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

/// Of the hub, which comes and goes with its settings.
pub struct HubView {
    pub seen: watch::Receiver<Option<EdgeHub>>,
    /// What it shows to its clients.
    pub certificate: PathBuf,
}

impl View for HubView {
    fn look(&self) -> Pin<Box<dyn Future<Output = Option<Value>> + Send + '_>> {
        let (seen, path) = (self.seen.borrow().clone(), self.certificate.clone());
        Box::pin(async move {
            let hub = seen?;
            let chain = tokio::task::spawn_blocking(move || {
                Chain::from_pem(&read_file(&path).ok()??, "the edge hub's certificate").ok()
            });
            let until = chain.await.ok().flatten().map(|chain| chain.validity.not_after.to_string());
            let told = hub.snapshot();
            let queues = told.queues.iter().map(|queue| {
                json!({
                    "endpoint": queue.endpoint,
                    "priority": queue.priority,
                    "messages": queue.messages,
                    "bytes": queue.bytes,
                })
            });
            Some(json!({
                "ready": hub.is_ready(),
                "reached": told.is_reached,
                "certificateExpiresAt": until,
                "queues": queues.collect::<Vec<_>>(),
                "figures": {
                    "connected_clients": told.clients,
                    "store_bytes": told.store_bytes,
                    "messages_received": told.received,
                    "messages_sent": told.sent,
                    "messages_dropped": told.dropped,
                    "messages_refused": told.refused,
                    "messages_parked": told.parked,
                    "store_damaged": told.damaged,
                    "client_connect_failed": told.connects_failed,
                    "offline_count": told.offline,
                },
                "durations": {
                    "message_durable_seconds": steps(&told.durable),
                    "message_upstream_seconds": steps(&told.upstream),
                },
            }))
        })
    }
}

/// As the hub's status has them.
fn steps(counts: &DurationCounts) -> Value {
    let steps = counts.cumulative().map(|(bound, count)| json!({"seconds": bound, "count": count}));
    json!({"steps": steps.collect::<Vec<_>>(), "count": counts.count(), "seconds": counts.total.as_secs_f64()})
}
