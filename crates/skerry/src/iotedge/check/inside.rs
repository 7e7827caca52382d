//! Checks from within a container, where another network, other names and another clock may be.

use skerry_model::EDGE_HUB;

use super::Outcome;
use super::facts::Facts;
use super::reach::{Port, proxy_uri, unknown_hub, upstream as upstream_of};
use super::settings::CLOCK_SECONDS_MAX;
use super::world::{Inside, LocalApi, LocalCall};
use crate::edge::upstream_protocol;

/// MQTT, AMQP, HTTPS.
const EDGE_HUB_PORTS: [u16; 3] = [8883, 5671, 443];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// The engine's own.
    Default,
    /// The one that modules are in.
    Modules,
}

fn inside(facts: &Facts, arguments: &[&str]) -> Inside {
    let config = facts.config();
    let files = [&config.own.hub_ca_cert, &config.trust_bundle_cert];
    let hosts = &config.agent.create_options.get("HostConfig").cloned().unwrap_or_default()["ExtraHosts"];
    let hosts = hosts.as_array().into_iter().flatten().filter_map(|host| host.as_str().map(str::to_owned));
    Inside {
        engine: config.moby_runtime.socket.clone(),
        image: facts.args.diagnostics_image_name.clone(),
        network: None,
        extra_hosts: hosts.collect(),
        files: files.into_iter().flatten().cloned().collect(),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
    }
}

pub async fn resolve_parent(facts: &Facts) -> Outcome {
    let Some(parent) = &facts.config().parent_hostname else { return Outcome::Ignored };
    if parent.name().parse::<std::net::IpAddr>().is_ok() {
        return Outcome::Ignored;
    }
    if facts.engine != Outcome::Ok {
        return Outcome::Skipped;
    }
    match facts.world.inside(&inside(facts, &["resolve", "--host", parent.name()])).await {
        Ok(_) => Outcome::Ok,
        Err(reason) => Outcome::because(
            format!(
                "{} has no address in containers: tell the engine a DNS server that knows it, or name it in \
                 agent.config.createOptions.HostConfig.ExtraHosts",
                parent.name()
            ),
            reason,
        ),
    }
}

pub async fn local_time(facts: &Facts) -> Outcome {
    if facts.engine != Outcome::Ok {
        return Outcome::Skipped;
    }
    const UNTOLD: &str = "a container does not tell its time";
    match facts.world.inside(&inside(facts, &["local-time"])).await {
        Ok(said) => match said.trim().parse::<i64>() {
            Ok(seconds) => {
                let apart = (seconds - facts.world.now().unix_seconds()).abs();
                if apart < CLOCK_SECONDS_MAX {
                    return Outcome::Ok;
                }
                Outcome::error(format!(
                    "the clock in a container and this machine's are {apart} s apart: is the engine on another machine?"
                ))
            }
            Err(_) => Outcome::because(UNTOLD, format!("it says {:?}", said.trim())),
        },
        Err(reason) => Outcome::because(UNTOLD, reason),
    }
}

/// Modules find the hub that is inside under this device's name, which means this machine in their network.
pub async fn edge_hub(facts: &Facts) -> Outcome {
    let Some(modules) = &facts.modules else { return Outcome::Skipped };
    if !modules.iter().any(|module| module.is_built_in && module.name == EDGE_HUB.trim_start_matches('$')) {
        return Outcome::Ignored;
    }
    if facts.engine != Outcome::Ok {
        return Outcome::Skipped;
    }
    let config = facts.config();
    let Some(host) = config.hostname.clone().or_else(|| facts.world.host_name()) else {
        return Outcome::Skipped;
    };
    let (socket, network) = (&config.moby_runtime.socket, &config.moby_runtime.network.name);
    let Ok(Some(gateway)) = facts.world.gateway(socket, network).await else { return Outcome::Skipped };
    let bundle = facts.world.ask(LocalCall::get(LocalApi::Workload, "/trust-bundle")).await;
    let bundle = bundle.map(|bundle| bundle["certificate"].as_str().unwrap_or_default().to_owned());
    let mut run = inside(facts, &["connect", "--host", &host, "--address", &gateway.to_string()]);
    run.network = Some(network.clone());
    for port in EDGE_HUB_PORTS {
        run.arguments.extend(["--port".to_owned(), port.to_string()]);
    }
    if let Ok(pem) = bundle {
        run.arguments.extend(["--trust-pem".to_owned(), pem]);
    }
    match facts.world.inside(&run).await {
        Ok(_) => Outcome::Ok,
        Err(reason) => Outcome::because(
            format!(
                "modules do not reach the hub of this device as {host} at {gateway}: it is there once a deployment \
                 has told its routes, `iotedge logs edgeHub` says how it is; a firewall of this machine may stand \
                 before it"
            ),
            reason,
        ),
    }
}

pub async fn upstream(facts: &Facts, port: Port, net: Net) -> Outcome {
    let config = facts.config();
    if let Some(reason) = needless(upstream_protocol(config).as_deref(), port) {
        return Outcome::Needless(reason);
    }
    // Which containers do not see as the machine does; then only what runs on the machine speaks to the hub.
    if config.own.hub_address.is_some_and(|address| address.is_loopback()) {
        return Outcome::Needless("the hub is on this machine".to_owned());
    }
    if facts.engine != Outcome::Ok {
        return Outcome::Skipped;
    }
    let Some(host) = upstream_of(facts) else { return unknown_hub(facts) };
    let number = port.of(config);
    let mut run = inside(facts, &["connect", "--host", &host, "--port", &number.to_string()]);
    run.network = (net == Net::Modules).then(|| config.moby_runtime.network.name.clone());
    let mut add = |name: &str, value: String| run.arguments.extend([name.to_owned(), value]);
    if let Some(address) = config.own.hub_address {
        add("--address", address.to_string());
    }
    if let Some(uri) = proxy_uri(facts).filter(|_| port == Port::Https) {
        add("--proxy", uri);
    }
    for file in run.files.clone() {
        run.arguments.extend(["--trust".to_owned(), file.display().to_string()]);
    }
    match facts.world.inside(&run).await {
        Ok(_) => Outcome::Ok,
        Err(reason) => {
            let where_ = run.network.as_deref().unwrap_or("the engine's default");
            Outcome::because(
                format!("{host}:{number} cannot be reached from a container in the network {where_}"),
                reason,
            )
        }
    }
}

/// Ports that nobody uses with the protocol that was chosen; without a choice it is AMQP, with or without WebSockets.
fn needless(protocol: Option<&str>, port: Port) -> Option<String> {
    let lower = protocol.map(str::to_ascii_lowercase);
    let used = match lower.as_deref() {
        Some("amqp") => [Port::Amqp].as_slice(),
        Some("amqpws" | "mqttws") => &[Port::Https],
        Some("mqtt") => &[Port::Mqtt],
        _ => &[Port::Amqp, Port::Https],
    };
    (!used.contains(&port)).then(|| match protocol {
        Some(protocol) => format!("the upstream protocol {protocol}, which does not use this port"),
        None => "the upstream protocol, which is AMQP unless another is chosen".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_that_are_used_are_needed() {
        for (protocol, amqp, https, mqtt) in [
            (None, true, true, false),
            (Some("Amqp"), true, false, false),
            (Some("AmqpWs"), false, true, false),
            (Some("Mqtt"), false, false, true),
            (Some("MqttWs"), false, true, false),
        ] {
            let needed = [Port::Amqp, Port::Https, Port::Mqtt].map(|port| needless(protocol, port).is_none());
            assert_eq!(needed, [amqp, https, mqtt], "{protocol:?}");
        }
    }
}
