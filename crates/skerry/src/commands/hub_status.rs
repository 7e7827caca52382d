//! `skerry hub status`.

use clap::Args;
use serde_json::Value;
use skerry_model::{Clock as _, Timestamp};

use crate::args::Target;
use crate::client::Client;
use crate::failure::Failure;
use crate::iotedge::roughly;
use crate::output;
use crate::status::{StatusOptions, Window, bytes, certificates, latency, line, one_or_many, troubles};
use crate::world::MachineClock;

const PATH: &str = "/skerry/v1/status";

const RATES: [&str; 6] = [
    "log_records",
    "log_record_bytes",
    "mqtt_publishes",
    "amqp_messages",
    "commands_enqueued",
    "http_requests",
];
const LATENCIES: [&str; 2] = ["message_durable_seconds", "http_answer_seconds"];
/// What an operator wants to hear of.
const TROUBLES: [&str; 25] = [
    "connections_refused_full",
    "connections_panicked",
    "accept_errors",
    "handshakes_failed",
    "handshakes_timed_out",
    "mqtt_refused_unauthorised",
    "mqtt_refused_unavailable",
    "mqtt_broken",
    "mqtt_silent",
    "mqtt_publishes_refused",
    "amqp_identities_refused",
    "amqp_tokens_refused",
    "amqp_messages_refused",
    "amqp_broken",
    "messages_too_fast",
    "connection_events_dropped",
    "documents_turned_away",
    "documents_refused_full",
    "log_turned_away",
    "log_refused_full",
    "log_syncs_failed",
    "log_damaged",
    "log_removed_by_cap_bytes",
    "files_refused_full",
    "files_damaged",
];

#[derive(Args)]
pub struct HubStatusArgs {
    #[command(flatten)]
    options: StatusOptions,
    #[command(flatten)]
    target: Target,
}

pub async fn run(HubStatusArgs { options, target }: &HubStatusArgs) -> Result<(), Failure> {
    let mut client = Client::connect(target).await?;
    let before = client.get(PATH).await?.body;
    tokio::time::sleep(options.pause()).await;
    let now = client.get(PATH).await?.body;
    let window = Window::new(options.seconds(), before, now);
    if target.json {
        return output::json(&window.json(&RATES, &LATENCIES));
    }
    // The hub's own clock; another machine's may differ.
    let now =
        window.now["now"].as_str().and_then(|now| now.parse().ok()).unwrap_or_else(|| MachineClock.now());
    lines(&window, now).iter().try_for_each(|line| output::line(line))
}

fn lines(window: &Window, now: Timestamp) -> Vec<String> {
    let figure = |name: &str| window.figure(name);
    let size = |name: &str| bytes(figure(name));
    let status = &window.now;
    let text = |of: &Value| of.as_str().unwrap_or("?").to_owned();
    let names = status["hostNames"].as_array().into_iter().flatten().map(text).next().unwrap_or_default();
    let since: Option<Timestamp> = status["startedAt"].as_str().and_then(|at| at.parse().ok());
    let up = since.map_or("?".to_owned(), |since| roughly(now.since(since)));
    let room = match figure("disk_bytes") {
        0 => "nothing is kept on a disk".to_owned(),
        all => format!("{} of {} are free", size("disk_free_bytes"), bytes(all)),
    };
    vec![
        line(
            "hub",
            &format!(
                "{} ({names}), version {}, up for {up}",
                text(&status["hubName"]),
                text(&status["version"])
            ),
        ),
        line(
            "connected",
            &format!(
                "{}; {} over MQTT, {} over AMQP, {} altogether",
                one_or_many(figure("identities_connected"), "device or module", "devices and modules"),
                one_or_many(figure("mqtt_open"), "connection", "connections"),
                figure("amqp_open"),
                figure("connections_open"),
            ),
        ),
        line(
            "rates",
            &format!(
                "{:.1} messages and events a second ({}), {:.1} commands, {:.1} HTTP requests; {} since the start",
                window.rate("log_records"),
                rate_of_bytes(window.rate("log_record_bytes")),
                window.rate("commands_enqueued"),
                window.rate("http_requests"),
                figure("log_records"),
            ),
        ),
        line("durable", &latency(window.latency("message_durable_seconds"))),
        line("answers", &latency(window.latency("http_answer_seconds"))),
        line(
            "backlog",
            &format!(
                "{}, {} of feedback, {} about files; {} of messages are not durable yet",
                one_or_many(figure("commands_depth"), "command", "commands"),
                one_or_many(figure("feedback_depth"), "record", "records"),
                one_or_many(figure("files_notices_waiting"), "notice", "notices"),
                size("ingest_bytes"),
            ),
        ),
        line(
            "disk",
            &format!("{} of messages, {} of files; {room}", size("log_disk_bytes"), size("files_bytes")),
        ),
        line("certificates", &certificates(&status["certificates"], now)),
        line("troubles", &troubles(window, &TROUBLES)),
    ]
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people, and never negative")]
fn rate_of_bytes(rate: f64) -> String {
    bytes(rate as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hub_is_told_at_a_glance() {
        let look = |records: u64| {
            json!({
                "hubName": "h", "hostNames": ["h.test", "10.0.0.1"], "version": "1",
                "startedAt": "2026-01-01T00:00:00Z", "now": "2026-01-01T03:00:00Z",
                "certificates": [{"certificate": "server", "expiresAt": "2026-01-04T03:00:00Z"}],
                "figures": {
                    "identities_connected": 1, "mqtt_open": 2, "amqp_open": 3, "connections_open": 7,
                    "log_records": records, "log_record_bytes": 1000 * records, "commands_depth": 4,
                    "log_disk_bytes": 5_000_000, "disk_bytes": 2_000_000_000, "disk_free_bytes": 1_000_000_000,
                    "handshakes_failed": 2, "log_damaged": 0,
                },
            })
        };
        let window = Window::new(2.0, look(10), look(30));
        let lines = lines(&window, "2026-01-01T03:00:00Z".parse().unwrap());
        assert_eq!(
            lines,
            [
                "hub           h (h.test), version 1, up for 3 hours",
                "connected     1 device or module; 2 connections over MQTT, 3 over AMQP, 7 altogether",
                "rates         10.0 messages and events a second (10.0 kB), 0.0 commands, 0.0 HTTP requests; 30 since the start",
                "durable       nothing yet",
                "answers       nothing yet",
                "backlog       4 commands, 0 records of feedback, 0 notices about files; 0 B of messages are not durable yet",
                "disk          5.0 MB of messages, 0 B of files; 1.0 GB of 2.0 GB are free",
                "certificates  server expires in 3 days",
                "troubles      handshakes_failed 2",
            ]
        );
    }
}
