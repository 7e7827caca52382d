//! Every check, in the order in which they run.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Configuration,
    Connectivity,
}

impl Section {
    pub fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration checks",
            Self::Connectivity => "Connectivity checks",
        }
    }
}

#[derive(Debug)]
pub struct Check {
    pub id: &'static str,
    pub description: &'static str,
    pub section: Section,
}

const fn configuration(id: &'static str, description: &'static str) -> Check {
    Check { id, description, section: Section::Configuration }
}

const fn connectivity(id: &'static str, description: &'static str) -> Check {
    Check { id, description, section: Section::Connectivity }
}

pub const CHECKS: &[Check] = &[
    configuration("aziot-edged-config-well-formed", "aziot-edged configuration is well-formed"),
    configuration("config-up-to-date", "configuration up-to-date with config.toml"),
    configuration("hostname", "configuration specifies a valid hostname"),
    configuration("parent_hostname", "configuration has correct parent_hostname"),
    configuration("identity-certificate-expiry", "production readiness: identity certificates expiry"),
    configuration("edge-ca-certificate-expiry", "production readiness: Edge CA certificate expiry"),
    configuration("container-engine-uri", "container engine is installed and functional"),
    configuration("connect-management-uri", "configuration has correct URIs for daemon mgmt endpoint"),
    configuration("aziot-edge-version", "aziot-edge package is up-to-date"),
    configuration("container-engine-dns", "DNS server"),
    configuration("container-engine-ipv6", "IPv6 network configuration"),
    configuration("container-engine-logrotate", "production readiness: logs policy"),
    configuration("image-tags", "production readiness: images have tags that do not change"),
    configuration("disk-space", "production readiness: room on the disk"),
    connectivity("host-local-time", "host time is close to reference time"),
    connectivity(
        "host-connect-iothub-amqp",
        "host can connect to and perform TLS handshake with iothub AMQP port",
    ),
    connectivity(
        "host-connect-iothub-https",
        "host can connect to and perform TLS handshake with iothub HTTPS / WebSockets port",
    ),
    connectivity(
        "host-connect-iothub-mqtt",
        "host can connect to and perform TLS handshake with iothub MQTT port",
    ),
];
