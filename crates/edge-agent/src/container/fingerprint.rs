//! Whether a container is what the manifest wants: a digest of everything that it was made from.
//!
//! Only what is written in the manifest and what the device is called count, not what we add to it
//! by ourselves: a newer agent must not make all containers anew.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::Device;
use crate::manifest::Module;

/// On each container that this agent has made.
pub const FINGERPRINT_LABEL: &str = "skerry.fingerprint";

pub fn fingerprint(device: &Device, module: &Module) -> String {
    let mut parts = json!({
        "image": module.image.as_str(),
        "options": sorted(&Value::Object(module.options.clone())),
        "env": module.env,
        "digest": module.digest,
        "version": module.version,
        "restartPolicy": module.restart_policy.as_str(),
        "imagePullPolicy": module.pull_policy.as_str(),
        "startupOrder": module.startup_order,
        "hub": device.hub_host,
        "device": device.device_id,
        "edge": device.edge_host,
        "parent": device.parent_host,
        "workload": device.workload_uri,
        "network": device.network,
    });
    let ports = device.gateway_ports.unusual();
    if !ports.is_empty() {
        parts["ports"] = json!(ports);
    }
    hex(digest(&SHA256, parts.to_string().as_bytes()).as_ref())
}

/// The same JSON, whatever the order of its members was.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            Value::Object(members.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of a whole section of desired properties, to know it again.
pub fn section_digest(section: &Map<String, Value>) -> String {
    let members: Map<String, Value> = section
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    hex(digest(&SHA256, sorted(&Value::Object(members)).to_string().as_bytes()).as_ref())
}
