//! Every check, in the order in which they run, with the function that performs it.

use std::future::Future;
use std::pin::Pin;

use super::facts::Facts;
use super::{Outcome, certificates, engine, inside, keys, programs, reach, settings};

/// As the original groups and names them. What its identity service checks is ours as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    IdentityConfiguration,
    IdentityConnectivity,
    Configuration,
    Connectivity,
}

impl Section {
    pub fn title(self) -> &'static str {
        match self {
            Self::IdentityConfiguration => "Configuration checks (aziot-identity-service)",
            Self::IdentityConnectivity => "Connectivity checks (aziot-identity-service)",
            Self::Configuration => "Configuration checks",
            Self::Connectivity => "Connectivity checks",
        }
    }
}

pub type Asked<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

#[derive(Clone, Copy)]
pub enum Work {
    /// Goes by what was looked at already.
    Seen(fn(&Facts) -> Outcome),
    /// Asks somebody first.
    Asked(for<'a> fn(&'a Facts) -> Asked<'a>),
}

#[derive(Clone, Copy)]
pub struct Check {
    pub id: &'static str,
    pub description: &'static str,
    pub section: Section,
    pub work: Work,
    /// Nothing can be said without a configuration.
    pub needs_config: bool,
}

const fn seen(
    section: Section,
    id: &'static str,
    description: &'static str,
    work: fn(&Facts) -> Outcome,
) -> Check {
    Check { id, description, section, work: Work::Seen(work), needs_config: true }
}

const fn asked(
    section: Section,
    id: &'static str,
    description: &'static str,
    work: for<'a> fn(&'a Facts) -> Asked<'a>,
) -> Check {
    Check { id, description, section, work: Work::Asked(work), needs_config: true }
}

const fn first(
    section: Section,
    id: &'static str,
    description: &'static str,
    work: fn(&Facts) -> Outcome,
) -> Check {
    Check { id, description, section, work: Work::Seen(work), needs_config: false }
}

use Section::{Configuration, Connectivity, IdentityConfiguration, IdentityConnectivity};

#[rustfmt::skip]
pub const CHECKS: &[Check] = &[
    first(IdentityConfiguration, "keyd-config-well-formed", "keyd configuration is well-formed", |facts| facts.well_formed("keyd")),
    first(IdentityConfiguration, "certd-config-well-formed", "certd configuration is well-formed", |facts| facts.well_formed("certd")),
    first(IdentityConfiguration, "tpmd-config-well-formed", "tpmd configuration is well-formed", |facts| facts.well_formed("tpmd")),
    first(IdentityConfiguration, "identityd-config-well-formed", "identityd configuration is well-formed", |facts| facts.well_formed("identityd")),
    seen(IdentityConfiguration, "configs-up-to-date", "daemon configurations up-to-date with config.toml", Facts::up_to_date),
    seen(IdentityConfiguration, "hostname", "identityd config toml file specifies a valid hostname", settings::hostname_of),
    seen(IdentityConfiguration, "aziot-version", "aziot-identity-service package is up-to-date", settings::identity_version),
    asked(IdentityConfiguration, "host-local-time", "host time is close to reference time", |facts| Box::pin(reach::clock(facts))),
    seen(IdentityConfiguration, "identity-certificate-expiry", "production readiness: identity certificates expiry", certificates::identity),
    seen(IdentityConfiguration, "est-identity-and-bootstrap-certificate-expiry", "production readiness: EST identity and bootstrap certificates expiry", certificates::est),
    seen(IdentityConfiguration, "local-ca-certificate-expiry", "production readiness: Local CA certificates expiry", certificates::local_ca),
    seen(IdentityConfiguration, "certs-preloaded", "preloaded certificates are valid", certificates::preloaded),
    asked(IdentityConfiguration, "keyd-running", "keyd is running", |facts| Box::pin(keys::keyd_running(facts))),
    asked(IdentityConfiguration, "certd-running", "certd is running", |facts| Box::pin(keys::certd_running(facts))),
    seen(IdentityConfiguration, "tpmd-running", "tpmd is running", keys::tpmd_running),
    asked(IdentityConfiguration, "identityd-running", "identityd is running", |facts| Box::pin(keys::identityd_running(facts))),
    asked(IdentityConfiguration, "certs-read", "read all preloaded certificates from the Certificates Service", |facts| Box::pin(keys::certificates_read(facts))),
    asked(IdentityConfiguration, "key-pairs-read", "read all preloaded key pairs from the Keys Service", |facts| Box::pin(keys::pairs_read(facts))),
    seen(IdentityConfiguration, "est-server-https", "ensure all EST server URLs utilize HTTPS", certificates::est_https),
    seen(IdentityConfiguration, "certs-match-private-keys", "ensure all preloaded certificates match preloaded private keys with the same ID", certificates::match_keys),

    asked(IdentityConnectivity, "host-connect-iothub-amqp", "host can connect to and perform TLS handshake with iothub AMQP port", |facts| Box::pin(reach::hub(facts, reach::Port::Amqp))),
    asked(IdentityConnectivity, "host-connect-iothub-https", "host can connect to and perform TLS handshake with iothub HTTPS / WebSockets port", |facts| Box::pin(reach::hub(facts, reach::Port::Https))),
    asked(IdentityConnectivity, "host-connect-iothub-mqtt", "host can connect to and perform TLS handshake with iothub MQTT port", |facts| Box::pin(reach::hub(facts, reach::Port::Mqtt))),
    asked(IdentityConnectivity, "host-connect-dps-endpoint", "host can connect to and perform TLS handshake with DPS endpoint", |facts| Box::pin(reach::dps(facts))),

    first(Configuration, "aziot-edged-config-well-formed", "aziot-edged configuration is well-formed", |facts| facts.well_formed("aziot-edged")),
    seen(Configuration, "config-up-to-date", "configuration up-to-date with config.toml", Facts::up_to_date),
    seen(Configuration, "container-engine-uri", "container engine is installed and functional", |facts| facts.engine.clone()),
    seen(Configuration, "parent_hostname", "configuration has correct parent_hostname", settings::parent_of),
    asked(Configuration, "container-resolve-parent-hostname", "parent hostname is resolvable from inside container", |facts| Box::pin(inside::resolve_parent(facts))),
    seen(Configuration, "connect-management-uri", "configuration has correct URIs for daemon mgmt endpoint", programs::management),
    seen(Configuration, "aziot-edge-version", "aziot-edge package is up-to-date", programs::edge_version),
    asked(Configuration, "container-local-time", "container time is close to host time", |facts| Box::pin(inside::local_time(facts))),
    seen(Configuration, "container-engine-dns", "DNS server", |facts| settings::dns(facts.engine_file.as_ref())),
    seen(Configuration, "container-engine-ipv6", "IPv6 network configuration", engine::ipv6),
    seen(Configuration, "container-engine-logrotate", "production readiness: logs policy", |facts| settings::logrotate(facts.engine_file.as_ref())),
    asked(Configuration, "edge-agent-storage-mounted-from-host", "production readiness: Edge Agent's storage directory is persisted on the host filesystem", |facts| Box::pin(engine::agent_storage(facts))),
    asked(Configuration, "edge-hub-storage-mounted-from-host", "production readiness: Edge Hub's storage directory is persisted on the host filesystem", |facts| Box::pin(engine::hub_storage(facts))),
    asked(Configuration, "check-agent-image", "Agent image is valid and can be pulled from upstream", |facts| Box::pin(engine::agent_image(facts))),
    seen(Configuration, "proxy-settings", "proxy settings are consistent in aziot-edged, aziot-identityd, moby daemon and config.toml", programs::proxies),
    seen(Configuration, "edge-ca-certificate-expiry", "production readiness: Edge CA certificate expiry", certificates::edge_ca),
    seen(Configuration, "image-tags", "production readiness: images have tags that do not change", engine::tags),
    seen(Configuration, "deployment", "modules are those that the hub asked for", programs::deployment),
    seen(Configuration, "disk-space", "production readiness: room on the disk", Facts::room),

    asked(Connectivity, "container-default-connect-upstream-amqp", "container on the default network can connect to upstream AMQP port", |facts| Box::pin(inside::upstream(facts, reach::Port::Amqp, inside::Net::Default))),
    asked(Connectivity, "container-default-connect-upstream-https", "container on the default network can connect to upstream HTTPS / WebSockets port", |facts| Box::pin(inside::upstream(facts, reach::Port::Https, inside::Net::Default))),
    asked(Connectivity, "container-default-connect-upstream-mqtt", "container on the default network can connect to upstream MQTT port", |facts| Box::pin(inside::upstream(facts, reach::Port::Mqtt, inside::Net::Default))),
    asked(Connectivity, "container-connect-upstream-amqp", "container on the IoT Edge module network can connect to upstream AMQP port", |facts| Box::pin(inside::upstream(facts, reach::Port::Amqp, inside::Net::Modules))),
    asked(Connectivity, "container-connect-upstream-https", "container on the IoT Edge module network can connect to upstream HTTPS / WebSockets port", |facts| Box::pin(inside::upstream(facts, reach::Port::Https, inside::Net::Modules))),
    asked(Connectivity, "container-connect-upstream-mqtt", "container on the IoT Edge module network can connect to upstream MQTT port", |facts| Box::pin(inside::upstream(facts, reach::Port::Mqtt, inside::Net::Modules))),
    asked(Connectivity, "container-connect-edge-hub", "container on the IoT Edge module network can connect to this device's hub", |facts| Box::pin(inside::edge_hub(facts))),
];
