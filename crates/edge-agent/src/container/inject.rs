//! What every module gets besides what its options say.

use serde_json::{Map, Value, json};
use skerry_runtime::{CreateRequest, Credentials, PullRequest, labels};

use super::{FINGERPRINT_LABEL, fingerprint, identity_name};
use crate::Device;
use crate::device::API_VERSION;
use crate::manifest::{AGENT, HUB, Manifest, Module, registry_of, with_upstream};

/// A module's identity in the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub module_id: String,
    pub generation_id: String,
    /// `iotedge`, where the edge has made it; only such ones are removed again.
    pub managed_by: String,
}

/// The image with the credentials of its registry: the manifest's first, then the device's own.
pub fn pull_request(device: &Device, manifest: &Manifest, module: &Module) -> PullRequest {
    let image = with_upstream(module.image.as_str(), device.parent_host.as_deref());
    let written = manifest.credentials.values().map(|credential| Credentials {
        address: with_upstream(&credential.address, device.parent_host.as_deref()),
        username: credential.username.clone(),
        password: credential.password.reveal().to_owned(),
        email: None,
    });
    let mut all = written.chain(device.credentials.iter().cloned());
    let credentials = registry_of(&image)
        .and_then(|registry| all.find(|found| found.address.eq_ignore_ascii_case(registry)));
    PullRequest { image, credentials }
}

pub fn create_request(device: &Device, name: &str, module: &Module, identity: &Identity) -> CreateRequest {
    let mut options = module.options.clone();
    add_labels(&mut options, device, module);
    let host = object(&mut options, "HostConfig");
    append(host, "Binds", [bind(device, name)]);
    append(host, "ExtraHosts", hosts(device));
    add_network(&mut options, device, name);
    CreateRequest {
        name: name.to_owned(),
        image: with_upstream(module.image.as_str(), device.parent_host.as_deref()),
        env: env(device, name, module, identity),
        options,
    }
}

fn env(device: &Device, name: &str, module: &Module, identity: &Identity) -> Vec<(String, String)> {
    let is_system = matches!(name, AGENT | HUB);
    let parent = device.parent_host.clone();
    let gateway = if is_system { parent.clone() } else { Some(device.edge_host.clone()) };
    let host = |is_told: bool| is_told.then(|| device.edge_host.clone());
    let ours = [
        ("IOTEDGE_WORKLOADURI", Some(device.workload_uri.clone())),
        ("IOTEDGE_AUTHSCHEME", Some("sasToken".to_owned())),
        ("IOTEDGE_MODULEGENERATIONID", Some(identity.generation_id.clone())),
        ("IOTEDGE_IOTHUBHOSTNAME", Some(device.hub_host.clone())),
        ("IOTEDGE_DEVICEID", Some(device.device_id.clone())),
        ("IOTEDGE_MODULEID", Some(identity_name(name))),
        ("IOTEDGE_APIVERSION", Some(API_VERSION.to_owned())),
        ("IOTEDGE_GATEWAYHOSTNAME", gateway),
        ("IOTEDGE_PARENTHOSTNAME", parent.filter(|_| !is_system)),
        ("EdgeDeviceHostName", host(is_system)),
    ];
    // These two are the module's own to choose.
    let defaults = [
        ("RuntimeLogLevel", Some(device.log_level.clone())),
        ("UpstreamProtocol", device.upstream_protocol.clone()),
    ];
    let mut env: Vec<(String, String)> = module
        .env
        .iter()
        .filter(|(key, _)| !ours.iter().any(|(ours, value)| ours == key && value.is_some()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let given = |entries: &[(&str, Option<String>)]| -> Vec<(String, String)> {
        entries.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?))).collect()
    };
    let chosen = |key: &str| module.env.keys().any(|given| given == key);
    env.extend(given(&defaults).into_iter().filter(|(key, _)| !chosen(key)));
    env.extend(given(&ours));
    if !is_system {
        let ports = device.gateway_ports.unusual();
        env.retain(|(key, _)| !ports.iter().any(|(name, _)| name == key));
        env.extend(ports.into_iter().map(|(name, port)| (name.to_owned(), port.to_string())));
    }
    env
}

fn add_labels(options: &mut Map<String, Value>, device: &Device, module: &Module) {
    let labels = object(options, "Labels");
    for (key, value) in [
        ("net.azure-devices.edge.version", module.version.as_str()),
        ("net.azure-devices.edge.restartPolicy", module.restart_policy.as_str()),
        ("net.azure-devices.edge.desiredStatus", module.status.as_str()),
        ("net.azure-devices.edge.configurationId", &module.configuration_id),
        (labels::ORIGINAL_IMAGE, module.image.as_str()),
        (FINGERPRINT_LABEL, &fingerprint(device, module)),
    ] {
        labels.insert(key.to_owned(), json!(value));
    }
}

/// The folder, not the socket: a socket that is made anew would not be seen inside.
fn bind(device: &Device, name: &str) -> Value {
    json!(format!("{}:{}", device.workload_folder.join(name).display(), device.socket_folder()))
}

fn hosts(device: &Device) -> Vec<Value> {
    let Some(address) = &device.edge_address else { return Vec::new() };
    [device.edge_host.as_str(), HUB, AGENT].iter().map(|host| json!(format!("{host}:{address}"))).collect()
}

/// The modules' network, unless the module chooses its own.
fn add_network(options: &mut Map<String, Value>, device: &Device, name: &str) {
    let mode = options.get("HostConfig").and_then(|host| host.get("NetworkMode")).and_then(Value::as_str);
    let endpoints = options.get("NetworkingConfig").and_then(|config| config.get("EndpointsConfig"));
    let has_endpoints = endpoints.and_then(Value::as_object).is_some_and(|endpoints| !endpoints.is_empty());
    if mode.is_some_and(|mode| !mode.is_empty() && mode != "default") || has_endpoints {
        return;
    }
    let endpoint = if name == HUB { json!({"Aliases": [device.edge_host]}) } else { json!({}) };
    let config = object(options, "NetworkingConfig");
    object(config, "EndpointsConfig").insert(device.network.clone(), endpoint);
}

/// The manifest has seen to it that what is there is an object, or null.
fn object<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was made one")
}

fn append(parent: &mut Map<String, Value>, key: &str, items: impl IntoIterator<Item = Value>) {
    let mut items: Vec<Value> = items.into_iter().collect();
    if items.is_empty() {
        return;
    }
    let given = parent.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    // Hosts that the module names itself come first, and win.
    items.splice(0..0, given);
    parent.insert(key.to_owned(), Value::Array(items));
}
