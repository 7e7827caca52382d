//! What the manifest says of the hub by `env` and `createOptions`, in the original's words.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Map, Value};
use skerry_store::log::Durability;

use crate::service::Rules;

/// The doors of the hub, by the ports that clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Head {
    Https,
    Mqtt,
    Amqp,
}

impl Head {
    pub const ALL: [Head; 3] = [Head::Https, Head::Mqtt, Head::Amqp];

    pub fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Mqtt => 8883,
            Self::Amqp => 5671,
        }
    }
}

/// Where a door is opened for others than modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub head: Head,
    pub at: SocketAddr,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub rules: Rules,
    /// The doors that are wanted.
    pub heads: Vec<Head>,
    pub published: Vec<Published>,
    /// `Mqtt`, `MqttWs` and the like; the device's own choice where nothing is said.
    pub upstream_protocol: Option<String>,
    /// What cannot be used, and why.
    pub warnings: Vec<String>,
}

/// Between these, whatever is asked for.
const SECONDS_MAX: u64 = 365 * 24 * 3600;
const WINDOW: std::ops::RangeInclusive<usize> = 16..=4096;

impl Settings {
    /// Reads them; what is not said is as the original has it. Names are compared without regard to case.
    pub fn read(env: &BTreeMap<String, String>, options: &Map<String, Value>) -> Self {
        let mut reader = Reader { env, warnings: Vec::new() };
        let mut rules = Rules::default();
        if let Some(clients) = reader.number("MaxConnectedClients", 1, 100_000) {
            // The hub itself is one of them.
            rules.clients_max = usize::try_from(clients).unwrap_or(usize::MAX).saturating_add(1);
        }
        let seconds = |found: Option<u64>, into: &mut Duration| {
            if let Some(seconds) = found {
                *into = Duration::from_secs(seconds);
            }
        };
        seconds(reader.seconds("DeviceScopeCacheRefreshRateSecs", 1), &mut rules.scope_refresh);
        seconds(reader.seconds("MessageCleanupIntervalSecs", 30), &mut rules.cleanup);
        seconds(reader.seconds("CloudOperationTimeoutSecs", 1), &mut rules.lines.hang);
        seconds(reader.seconds("CloudConnectionIdleTimeoutSecs", 1), &mut rules.lines.idle);
        let batch = reader.number("MaxUpstreamBatchSize", 1, 10_000);
        let lines = reader.number("UpstreamFanOutFactor", 1, 10_000);
        if batch.is_some() || lines.is_some() {
            let window = batch.unwrap_or(10).saturating_mul(lines.unwrap_or(10));
            let window = usize::try_from(window).unwrap_or(usize::MAX);
            rules.upstream_window = window.clamp(*WINDOW.start(), *WINDOW.end());
        }
        rules.fairness =
            reader.number("PriorityFairness", 1, 1_000_000).and_then(|most| u32::try_from(most).ok());
        if reader.switch("usePersistentStorage") == Some(false) {
            rules.durability = Durability::Memory;
        }
        if reader.switch("storeAndForwardEnabled") == Some(false) {
            reader.warn("storeAndForwardEnabled", "messages are always stored before they go on");
        }
        let switches = [
            (Head::Https, "httpSettings__enabled"),
            (Head::Mqtt, "mqttSettings__enabled"),
            (Head::Amqp, "amqpSettings__enabled"),
        ];
        let mut heads = Vec::new();
        for (head, name) in switches {
            if reader.switch(name) != Some(false) {
                heads.push(head);
            }
        }
        let upstream_protocol = reader.text("UpstreamProtocol").map(str::to_owned);
        let (published, unusable) = published(options);
        let mut warnings = reader.warnings;
        warnings.extend(unusable);
        Self { rules, heads, published, upstream_protocol, warnings }
    }
}

struct Reader<'e> {
    env: &'e BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl<'e> Reader<'e> {
    fn text(&self, name: &str) -> Option<&'e str> {
        let found = self.env.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        let text = self.text(name)?;
        match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                self.warn(name, &format!("{text:?} is no number from {min} to {max}"));
                None
            }
        }
    }

    fn seconds(&mut self, name: &str, min: u64) -> Option<u64> {
        self.number(name, min, SECONDS_MAX)
    }

    fn switch(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => {
                self.warn(name, &format!("{text:?} is neither true nor false"));
                None
            }
        }
    }

    fn warn(&mut self, name: &str, what: &str) {
        self.warnings.push(format!("{name} of the hub is passed over: {what}"));
    }
}

/// `HostConfig.PortBindings`, as containers have them.
fn published(options: &Map<String, Value>) -> (Vec<Published>, Vec<String>) {
    let (mut published, mut warnings) = (Vec::new(), Vec::new());
    let bindings = options.get("HostConfig").and_then(|config| config.get("PortBindings"));
    let Some(Value::Object(bindings)) = bindings else { return (published, warnings) };
    for (port, places) in bindings {
        let number = port.split('/').next().and_then(|port| port.parse::<u16>().ok());
        let Some(head) = Head::ALL.into_iter().find(|head| Some(head.port()) == number) else {
            warnings.push(format!("the port {port} of the hub is not opened: nothing is there"));
            continue;
        };
        for place in places.as_array().into_iter().flatten() {
            let text = |key: &str| place.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let ip = text("HostIp").map_or(Ok(IpAddr::from(Ipv4Addr::UNSPECIFIED)), str::parse);
            let host_port = text("HostPort").map_or(Ok(head.port()), str::parse);
            match (ip, host_port) {
                (Ok(ip), Ok(host_port)) => {
                    published.push(Published { head, at: SocketAddr::new(ip, host_port) });
                }
                _ => warnings.push(format!("the port {port} of the hub is not opened at {place}")),
            }
        }
    }
    (published, warnings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(env: &[(&str, &str)], options: &Value) -> Settings {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::read(&env, options.as_object().unwrap())
    }

    #[test]
    fn nothing_said_is_the_original_s_ways() {
        let settings = read(&[], &json!({}));
        assert_eq!((settings.heads.as_slice(), settings.rules.clients_max), (&Head::ALL[..], 101));
        assert!(settings.published.is_empty() && settings.warnings.is_empty());
    }

    #[test]
    fn the_original_s_words_count_in_any_case() {
        let settings = read(
            &[
                ("MAXCONNECTEDCLIENTS", "1000"),
                ("amqpSettings__enabled", "False"),
                ("MaxUpstreamBatchSize", "200"),
                ("UpstreamProtocol", "MqttWs"),
                ("usePersistentStorage", "false"),
                ("MessageCleanupIntervalSecs", "10"),
                ("mqttSettings__enabled", "perhaps"),
                ("OptimizeForPerformance", "false"),
                ("httpSettings__enabled", ""),
            ],
            &json!({}),
        );
        assert_eq!(settings.rules.clients_max, 1001);
        assert_eq!(settings.heads, [Head::Https, Head::Mqtt]);
        assert_eq!((settings.rules.upstream_window, settings.rules.durability), (2000, Durability::Memory));
        assert_eq!(settings.upstream_protocol.as_deref(), Some("MqttWs"));
        assert_eq!(
            settings.warnings,
            [
                "MessageCleanupIntervalSecs of the hub is passed over: \"10\" is no number from 30 to 31536000",
                "mqttSettings__enabled of the hub is passed over: \"perhaps\" is neither true nor false",
            ]
        );
    }

    #[test]
    fn published_ports_are_read_as_containers_have_them() {
        let settings = read(
            &[],
            &json!({"HostConfig": {"PortBindings": {
                "8883/tcp": [{"HostPort": "8883"}, {"HostPort": "18883", "HostIp": "10.0.0.1"}],
                "443/tcp": [{}],
                "5671/tcp": [{"HostPort": "x"}],
                "9/tcp": [{"HostPort": "9"}],
            }}}),
        );
        let at: Vec<String> = settings.published.iter().map(|one| one.at.to_string()).collect();
        assert_eq!(at, ["0.0.0.0:8883", "10.0.0.1:18883", "0.0.0.0:443"]);
        assert_eq!(
            settings.warnings,
            [
                "the port 5671/tcp of the hub is not opened at {\"HostPort\":\"x\"}",
                "the port 9/tcp of the hub is not opened: nothing is there",
            ]
        );
    }
}
