//! `[skerry]`: what the original has no key for.

use std::net::IpAddr;
use std::path::PathBuf;

use skerry_keys::PairAlgorithm;

use super::provisioning::file;
use super::reader::Reader;

/// Which keys modules get with their certificates.
pub type ModuleKeyKind = PairAlgorithm;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Roots of the hub's certificate, besides those of the system.
    pub hub_ca_cert: Option<PathBuf>,
    /// Where the hub answers HTTPS.
    pub hub_https_port: u16,
    /// Where the hub answers MQTT.
    pub hub_mqtt_port: u16,
    /// Where the hub answers AMQP.
    pub hub_amqp_port: u16,
    /// Where to connect to instead of what the hub's name resolves to.
    pub hub_address: Option<IpAddr>,
    /// Where the edge hub listens, instead of on loopback and on the modules' network.
    pub edge_hub_listen: Vec<IpAddr>,
    /// On which ports; few clients can be told others than the usual ones.
    pub edge_hub_https_port: u16,
    pub edge_hub_mqtt_port: u16,
    pub edge_hub_amqp_port: u16,
    /// Further names in the server certificates of modules.
    pub server_names: Vec<String>,
    /// RSA as the original gives, or the faster P-256.
    pub module_keys: ModuleKeyKind,
    /// Roots of those who sign deployment manifests.
    pub manifest_trust_bundle_cert: Option<PathBuf>,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            hub_ca_cert: None,
            hub_https_port: 443,
            hub_mqtt_port: 8883,
            hub_amqp_port: 5671,
            hub_address: None,
            edge_hub_listen: Vec::new(),
            edge_hub_https_port: 443,
            edge_hub_mqtt_port: 8883,
            edge_hub_amqp_port: 5671,
            server_names: Vec::new(),
            module_keys: PairAlgorithm::Rsa2048,
            manifest_trust_bundle_cert: None,
        }
    }
}

pub(super) fn read(root: &Reader<'_>) -> Own {
    let mut own = Own::default();
    let Some(table) = root.table("skerry") else { return own };
    let path = |key: &'static str| table.string(key).and_then(|text| file(&table, key, &text));
    own.hub_ca_cert = path("hub_ca_cert");
    own.manifest_trust_bundle_cert = path("manifest_trust_bundle_cert");
    for (key, own) in [
        ("hub_https_port", &mut own.hub_https_port),
        ("hub_mqtt_port", &mut own.hub_mqtt_port),
        ("hub_amqp_port", &mut own.hub_amqp_port),
        ("edge_hub_https_port", &mut own.edge_hub_https_port),
        ("edge_hub_mqtt_port", &mut own.edge_hub_mqtt_port),
        ("edge_hub_amqp_port", &mut own.edge_hub_amqp_port),
    ] {
        if let Some(port) = table.integer(key, 1, 65_535) {
            *own = u16::try_from(port).unwrap_or(*own);
        }
    }
    if let Some(text) = table.string("hub_address") {
        match text.value.parse() {
            Ok(address) => own.hub_address = Some(address),
            Err(_) => table.error(text.offset, "hub_address", "is no IP address"),
        }
    }
    for text in table.strings("edge_hub_listen") {
        match text.value.parse() {
            Ok(address) => own.edge_hub_listen.push(address),
            Err(_) => table.error(text.offset, "edge_hub_listen", "holds something that is no IP address"),
        }
    }
    own.server_names = table.strings("server_names").into_iter().map(|name| name.value).collect();
    if let Some(text) = table.string("module_keys") {
        match text.value.as_str() {
            "rsa-2048" => own.module_keys = PairAlgorithm::Rsa2048,
            "ec-p256" => own.module_keys = PairAlgorithm::EcP256,
            other => {
                let told = format!("is {other:?}: write \"rsa-2048\" or \"ec-p256\"");
                table.error(text.offset, "module_keys", told);
            }
        }
    }
    table.finish();
    own
}
