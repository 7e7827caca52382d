//! The device, as its modules are told of it.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Of the hub that the device belongs to.
    pub hub_host: String,
    pub device_id: String,
    /// Under which modules and other devices reach this one.
    pub edge_host: String,
    /// Where `edge_host`, the hub and the agent are found from the modules' network, when they are no
    /// containers themselves. Where it is missing, the agent takes the gateway of the modules' network.
    pub edge_address: Option<String>,
    /// On which ports modules find the hub there.
    pub gateway_ports: GatewayPorts,
    /// Of the parent, where there is one between this device and its hub.
    pub parent_host: Option<String>,
    /// The workload API as modules see it, `unix:///var/run/iotedge/workload.sock`.
    pub workload_uri: String,
    /// In it lies a folder with the socket of each module.
    pub workload_folder: PathBuf,
    pub network: String,
    /// What modules get as `RuntimeLogLevel` and `UpstreamProtocol`, where they choose none.
    pub log_level: String,
    pub upstream_protocol: Option<String>,
    /// Used for images for which the manifest has no credentials.
    pub credentials: Vec<skerry_runtime::Credentials>,
}

/// Modules are told of those that are not the usual ones. SDKs do not ask; modules of ours do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayPorts {
    pub https: u16,
    pub mqtt: u16,
    pub amqp: u16,
}

impl Default for GatewayPorts {
    fn default() -> Self {
        Self { https: 443, mqtt: 8883, amqp: 5671 }
    }
}

impl GatewayPorts {
    /// With the variables that say them.
    pub(crate) fn unusual(self) -> Vec<(&'static str, u16)> {
        let usual = Self::default();
        let all = [
            ("SKERRY_GATEWAY_HTTPS_PORT", self.https, usual.https),
            ("SKERRY_GATEWAY_MQTT_PORT", self.mqtt, usual.mqtt),
            ("SKERRY_GATEWAY_AMQP_PORT", self.amqp, usual.amqp),
        ];
        all.into_iter().filter(|(_, port, usual)| port != usual).map(|(name, port, _)| (name, port)).collect()
    }
}

/// The version of the local APIs that modules are told to speak.
pub const API_VERSION: &str = "2022-08-03";

impl Device {
    /// The folder in which modules find their socket.
    pub(crate) fn socket_folder(&self) -> &str {
        let path = self.workload_uri.strip_prefix("unix://").unwrap_or(&self.workload_uri);
        path.rsplit_once('/').map_or("/", |(folder, _)| folder)
    }
}
