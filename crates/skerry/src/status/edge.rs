//! `skerry edge status`: an edge device on this machine, asked over its management API.

use clap::Args;
use serde_json::{Map, Value, json};
use skerry_model::{Clock as _, Timestamp};

use super::{StatusOptions, Window, bytes, certificates, latency, line, one_or_many, or_none, troubles};
use crate::edge::{Directories, PlaceOptions};
use crate::failure::Failure;
use crate::iotedge::{Local, agent_troubles, roughly};
use crate::output;
use crate::world::MachineClock;

const PATH: &str = "/skerry/v1/status";

const RATES: [&str; 2] = ["messages_received", "messages_sent"];
const LATENCIES: [&str; 2] = ["message_durable_seconds", "message_upstream_seconds"];
const TROUBLES: [&str; 6] = [
    "messages_dropped",
    "messages_refused",
    "messages_parked",
    "store_damaged",
    "client_connect_failed",
    "offline_count",
];
/// Queues that are shown; with more the rest is counted.
const QUEUES_MAX: usize = 5;

#[derive(Args)]
pub struct EdgeStatusArgs {
    #[command(flatten)]
    options: StatusOptions,
    #[command(flatten)]
    places: PlaceOptions,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &EdgeStatusArgs) -> Result<(), Failure> {
    let management = Local::management(Directories::new(&args.places).management());
    let before = flat(management.get(PATH).await?);
    tokio::time::sleep(args.options.pause()).await;
    let now = flat(management.get(PATH).await?);
    let window = Window::new(args.options.seconds(), before, now);
    if args.json {
        return output::json(&window.json(&RATES, &LATENCIES));
    }
    lines(&window, MachineClock.now()).iter().try_for_each(|line| output::line(line))
}

/// Figures and durations of the hub inside stand where a hub has its own.
fn flat(mut status: Value) -> Value {
    let hub = status["parts"]["edgeHub"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut left = Map::new();
    for (name, value) in hub {
        match name.as_str() {
            "figures" | "durations" => status[name] = value,
            "certificateExpiresAt" => {
                if let (Some(all), Some(_)) = (status["certificates"].as_array_mut(), value.as_str()) {
                    all.push(json!({"certificate": "edge hub", "expiresAt": value}));
                }
            }
            _ => drop(left.insert(name, value)),
        }
    }
    status["parts"]["edgeHub"] = left.into();
    status
}

fn lines(window: &Window, now: Timestamp) -> Vec<String> {
    let status = &window.now;
    let (agent, hub) = (&status["parts"]["edgeAgent"], &status["parts"]["edgeHub"]);
    let text = |of: &Value| of.as_str().unwrap_or("?").to_owned();
    let up = status["uptimeSeconds"]
        .as_u64()
        .map_or("?".to_owned(), |seconds| roughly(std::time::Duration::from_secs(seconds)));
    let behind = match status["parent"].as_str() {
        Some(parent) => format!(" behind {parent}"),
        None => String::new(),
    };
    let is = |of: &Value, yes: &'static str, no: &'static str| if of == true { yes } else { no };
    let last = &agent["last"];
    let deployment = match last["version"].as_u64() {
        Some(version) => format!("version {version}, status {}", last["code"]),
        None => "none yet".to_owned(),
    };
    let room = match status["disk"]["bytes"].as_u64() {
        Some(all) => {
            format!("{} of {} are free", bytes(status["disk"]["freeBytes"].as_u64().unwrap_or(0)), bytes(all))
        }
        None => "the disk does not tell its size".to_owned(),
    };
    let mut lines = vec![
        line(
            "edge",
            &format!(
                "{} of {}{behind}, version {}, up for {up}",
                text(&status["device"]),
                text(&status["hub"]),
                text(&status["version"])
            ),
        ),
        line(
            "upstream",
            &format!(
                "the agent {}, the edge hub {}",
                is(&agent["hub"], "is connected", "is not connected"),
                is(&hub["reached"], "is connected", "is not connected"),
            ),
        ),
        line("deployment", &deployment),
        line(
            "modules",
            &format!(
                "{} of {} run",
                status["containers"]["running"],
                one_or_many(status["containers"]["all"].as_u64().unwrap_or(0), "container", "containers")
            ),
        ),
        line(
            "connected",
            &format!(
                "{}{}",
                one_or_many(window.figure("connected_clients"), "client", "clients"),
                is(&hub["ready"], "", "; the edge hub lets nobody in yet"),
            ),
        ),
        line(
            "rates",
            &format!(
                "{:.1} messages a second come in, {:.1} are delivered; {} and {} since the start",
                window.rate("messages_received"),
                window.rate("messages_sent"),
                window.figure("messages_received"),
                window.figure("messages_sent"),
            ),
        ),
        line("durable", &latency(window.latency("message_durable_seconds"))),
        line("sent up", &latency(window.latency("message_upstream_seconds"))),
        line("backlog", &backlog(&hub["queues"])),
        line("disk", &format!("{} of messages; {room}", bytes(window.figure("store_bytes")))),
        line("certificates", &certificates(&status["certificates"], now)),
        line("troubles", &troubles(window, &TROUBLES)),
    ];
    lines.extend(agent_troubles(agent).iter().map(|trouble| line("", trouble)));
    lines
}

fn backlog(queues: &Value) -> String {
    let waiting: Vec<&Value> = queues
        .as_array()
        .into_iter()
        .flatten()
        .filter(|queue| queue["messages"].as_u64().is_some_and(|messages| messages > 0))
        .collect();
    let told = waiting.iter().take(QUEUES_MAX).map(|queue| {
        format!(
            "{} ({}) for {}",
            one_or_many(queue["messages"].as_u64().unwrap_or(0), "message", "messages"),
            bytes(queue["bytes"].as_u64().unwrap_or(0)),
            queue["endpoint"].as_str().unwrap_or("?"),
        )
    });
    let mut told = told.collect::<Vec<_>>().join(", ");
    if waiting.len() > QUEUES_MAX {
        told.push_str(&format!(", and {} more queues", waiting.len() - QUEUES_MAX));
    }
    or_none(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_device_is_told_at_a_glance() {
        let look = |received: u64| {
            flat(json!({
                "device": "gate", "hub": "h.test", "parent": null, "version": "1", "uptimeSeconds": 7200,
                "containers": {"all": 3, "running": 2},
                "disk": {"bytes": 2_000_000_000, "freeBytes": 1_000_000_000},
                "certificates": [{"certificate": "Edge CA", "expiresAt": "2026-01-04T00:00:00Z"}],
                "parts": {
                    "edgeAgent": {
                        "running": true, "hub": true, "last": {"version": 4, "code": 200, "description": ""},
                        "modules": [{"name": "sensor", "trouble": "it broke"}],
                    },
                    "edgeHub": {
                        "running": true, "ready": true, "reached": false,
                        "certificateExpiresAt": "2025-12-31T00:00:00Z",
                        "queues": [
                            {"endpoint": "iothub", "messages": 12, "bytes": 3400},
                            {"endpoint": "gate/m/in", "messages": 0, "bytes": 0},
                        ],
                        "figures": {"connected_clients": 1, "messages_received": received, "messages_sent": 5,
                                    "store_bytes": 4000, "offline_count": 1},
                        "durations": {},
                    },
                },
            }))
        };
        let window = Window::new(2.0, look(10), look(30));
        let told = lines(&window, "2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(
            told,
            [
                "edge          gate of h.test, version 1, up for 2 hours",
                "upstream      the agent is connected, the edge hub is not connected",
                "deployment    version 4, status 200",
                "modules       2 of 3 containers run",
                "connected     1 client",
                "rates         10.0 messages a second come in, 0.0 are delivered; 30 and 5 since the start",
                "durable       nothing yet",
                "sent up       nothing yet",
                "backlog       12 messages (3.4 kB) for iothub",
                "disk          4.0 kB of messages; 1.0 GB of 2.0 GB are free",
                "certificates  Edge CA expires in 3 days; edge hub HAS EXPIRED a day ago",
                "troubles      offline_count 1",
                "              sensor: it broke",
            ]
        );
    }

    #[test]
    fn an_edge_hub_that_is_not_there_is_told_as_well() {
        let look = flat(json!({"parts": {"edgeAgent": {"running": true}}, "certificates": []}));
        let told = lines(&Window::new(1.0, look.clone(), look), "2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(told[4], "connected     0 clients; the edge hub lets nobody in yet");
        assert_eq!(told[9], "disk          0 B of messages; the disk does not tell its size");
    }

    #[test]
    fn only_so_many_queues_are_shown() {
        let queues: Vec<Value> =
            (0..7).map(|at| json!({"endpoint": format!("e{at}"), "messages": 1, "bytes": 9})).collect();
        assert!(backlog(&queues.into()).ends_with("1 message (9 B) for e4, and 2 more queues"));
    }
}
