//! Checks that go over the network from this machine: the hub's ports, and clocks.

use skerry_edge_daemon::cloud::{Proxy, ProxySettings};
use skerry_edge_daemon::config::{Config, Provisioning};

use super::facts::Facts;
use super::world::{OtherClock, Target};
use super::{Outcome, settings};
use crate::edge::upstream_host;

const AMQP: u16 = 5671;
const HTTPS: u16 = 443;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Amqp,
    Https,
    Mqtt,
}

impl Port {
    pub fn of(self, config: &Config) -> u16 {
        match self {
            Self::Amqp => AMQP,
            Self::Https => config.own.hub_https_port,
            Self::Mqtt => config.own.hub_mqtt_port,
        }
    }
}

/// Where the hub is reached: what the operator names, the parent, or the hub itself.
pub fn upstream(facts: &Facts) -> Option<String> {
    facts.args.iothub_hostname.clone().or_else(|| upstream_host(facts.config()))
}

pub fn unknown_hub(facts: &Facts) -> Outcome {
    match facts.config().provisioning {
        Provisioning::Off => Outcome::Ignored,
        _ => Outcome::warning("the hub is not named in the configuration: give --iothub-hostname"),
    }
}

/// The proxy that is named to us, to the agent, or in the environment.
pub fn proxy_uri(facts: &Facts) -> Option<String> {
    let env = &facts.config().agent.env;
    let of_agent = || {
        let found = env.iter().find(|(name, _)| name.eq_ignore_ascii_case("https_proxy"));
        found.map(|(_, value)| value.clone())
    };
    let of_environment =
        || ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(|name| facts.world.variable(name));
    facts.args.proxy_uri.clone().or_else(of_agent).or_else(of_environment)
}

fn proxy(facts: &Facts, host: &str) -> Result<Option<Proxy>, String> {
    let except = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| facts.world.variable(name));
    let settings = ProxySettings::new(proxy_uri(facts).as_deref(), except.as_deref());
    Ok(settings.map_err(|error| error.to_string())?.of(host).cloned())
}

fn target(facts: &Facts, host: &str, port: Port) -> Result<Target, String> {
    let config = facts.config();
    let proxy = if port == Port::Https { proxy(facts, host)? } else { None };
    Ok(Target {
        host: host.to_owned(),
        address: config.own.hub_address,
        port: port.of(config),
        proxy,
        tls: facts.tls.clone()?,
    })
}

pub async fn hub(facts: &Facts, port: Port) -> Outcome {
    let Some(host) = upstream(facts) else { return unknown_hub(facts) };
    let number = port.of(facts.config());
    let connected = match target(facts, &host, port) {
        Ok(target) => facts.world.connect(&target).await,
        Err(reason) => Err(reason),
    };
    told(connected, &host, number)
}

fn told(connected: Result<(), String>, host: &str, port: u16) -> Outcome {
    match connected {
        Ok(()) => Outcome::Ok,
        Err(reason) => Outcome::because(
            format!(
                "{host}:{port} cannot be reached with a trusted connection: is the port open, the name right, and its root trusted?"
            ),
            reason,
        ),
    }
}

pub async fn dps(facts: &Facts) -> Outcome {
    let Provisioning::Dps(dps) = &facts.config().provisioning else { return Outcome::Ignored };
    let endpoint = dps.global_endpoint.trim_start_matches("https://").trim_end_matches('/');
    let (host, port) = match endpoint.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(HTTPS)),
        None => (endpoint, HTTPS),
    };
    let connected = async {
        let (proxy, tls) = (proxy(facts, host)?, facts.tls.clone()?);
        let target = Target { host: host.to_owned(), address: None, port, proxy, tls };
        facts.world.connect(&target).await
    };
    told(connected.await, host, port)
}

/// An NTP server where one is named, the hub's own clock otherwise: that is the one that tokens are judged by.
pub async fn clock(facts: &Facts) -> Outcome {
    let other = match &facts.args.ntp_server {
        Some(server) => OtherClock::Ntp(server.clone()),
        None => {
            let Some(host) = upstream(facts) else { return Outcome::Skipped };
            match target(facts, &host, Port::Https) {
                Ok(target) => OtherClock::Https(target),
                Err(reason) => return Outcome::warning(reason),
            }
        }
    };
    let name = match &other {
        OtherClock::Ntp(server) => server,
        OtherClock::Https(target) => &target.host,
    };
    match facts.world.time(&other).await {
        Ok(seconds) => settings::clock(seconds - facts.world.now().unix_seconds()),
        Err(reason) => Outcome::Warning(vec![format!("{name} does not tell its time"), reason]),
    }
}
