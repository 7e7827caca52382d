//! Figures as Prometheus reads them, with the original's names and labels. The tables here are what the manual lists.

use std::fmt::Write as _;

use skerry_front::DurationCounts;
use skerry_model::{Metric, MetricKind};

use crate::figures::{Family, Figures};
use crate::service::{EdgeHub, Shared};
use crate::summary::{Summary, Summed};

const PREFIX: &str = "edgehub_";
/// Of every series.
pub const COMMON_LABELS: [&str; 3] = ["iothub", "edge_device", "instance_number"];
const QUEUE_LABELS: [&str; 2] = ["endpoint", "priority"];

/// Name, meaning, and the labels of its own.
type Told = (&'static str, &'static str, &'static [&'static str]);
type Queue = (&'static str, &'static str, fn(u64, u64) -> u64);
type Number = (&'static str, &'static str);

/// Counters with labels, which say `ms_telemetry` besides, as the original's do.
fn families(figures: &Figures) -> [(Told, &Family); 12] {
    let row = |name, help, labels: &'static [&'static str], family| ((name, help, labels), family);
    let sent = &["from", "to", "from_route_output", "to_route_input", "priority"];
    [
        row(
            "messages_received_total",
            "Messages that clients sent",
            &["route_output", "id"],
            &figures.messages_received,
        ),
        row("messages_sent_total", "Messages that were delivered", sent, &figures.messages_sent),
        row(
            "messages_dropped_total",
            "Messages that went nowhere",
            &["reason", "from", "from_route_output"],
            &figures.messages_dropped,
        ),
        row(
            "messages_unack_total",
            "Messages that could not be stored",
            &["reason", "from", "from_route_output"],
            &figures.messages_unacknowledged,
        ),
        row("gettwin_total", "Twins that were asked for", &["source", "id"], &figures.twin_gets),
        row("reported_properties_total", "Reports of properties", &["target", "id"], &figures.reported),
        row("direct_methods_total", "Methods that were called", &["from", "to"], &figures.methods),
        row("offline_count_total", "Times that the hub was lost", &["id"], &figures.offline),
        row(
            "client_connect_failed_total",
            "Clients that were not let in",
            &["id", "reason"],
            &figures.connect_failures,
        ),
        row("client_connect_success_total", "Clients that were let in", &["id"], &figures.connects),
        row(
            "operation_retry_total",
            "What was sent to the hub again",
            &["id", "operation"],
            &figures.retries,
        ),
        row("client_disconnect_total", "Clients that went", &["id"], &figures.disconnects),
    ]
}

/// Of the newest, with the sum and the count of all. Those that say `ms_telemetry`, as the original's do.
fn summaries(figures: &Figures) -> [(Told, &Family<Summary>, bool); 7] {
    let row =
        |name, help, labels: &'static [&'static str], family, tells| ((name, help, labels), family, tells);
    let send = &["from", "to", "from_route_output", "to_route_input"];
    [
        row("message_size_bytes", "Bytes of messages that clients sent", &["id"], &figures.size, false),
        row("gettwin_duration_seconds", "To get a twin", &["source", "id"], &figures.twin_get_took, true),
        row("message_send_duration_seconds", "To deliver a message", send, &figures.send, true),
        row(
            "message_process_duration_seconds",
            "From a message that is stored until it is delivered",
            &["from", "to", "priority"],
            &figures.process,
            true,
        ),
        row(
            "reported_properties_update_duration_seconds",
            "To take or pass on a report of properties",
            &["target", "id"],
            &figures.report_took,
            true,
        ),
        row("direct_method_duration_seconds", "Of methods", &["from", "to"], &figures.method_took, true),
        row(
            "offline_duration_seconds",
            "Until the hub was reached again",
            &["id"],
            &figures.offline_took,
            true,
        ),
    ]
}

/// Of records and bytes that wait in a queue.
const QUEUES: [Queue; 2] = [
    ("queue_length", "Messages that wait", |records, _| records),
    ("queue_bytes", "Bytes of messages that wait", |_, bytes| bytes),
];

const GAUGES: [Number; 4] = [
    ("connected_clients", "Clients that are connected"),
    ("store_bytes", "Bytes on the disk of messages that wait"),
    ("scope_identities", "Identities that may connect"),
    ("upstream_connected", "Whether the hub is reached"),
];

const TOTALS: [Number; 5] = [
    ("messages_refused_total", "Messages that were not taken for want of room"),
    ("messages_resent_total", "Messages that were sent again"),
    ("messages_parked_total", "Messages whose sender the hub does not let in"),
    ("upstream_stalls_total", "Connections to the hub that were stuck"),
    ("store_damaged_total", "Places of the store that could not be read"),
];

const DURATIONS: [Number; 2] = [
    (
        "message_durable_seconds",
        "From messages that came together until they are durable, or settled by all that they were for",
    ),
    ("message_upstream_seconds", "From a message that is handed to the line to the hub until the hub has it"),
];

/// Every metric of an edge hub.
pub fn metrics() -> Vec<Metric> {
    use MetricKind::{Counter, Gauge, Histogram, Summary};
    let figures = Figures::default();
    let metric =
        |name: &str, kind, labels, help| Metric { name: format!("{PREFIX}{name}"), kind, labels, help };
    let mut all = Vec::new();
    all.extend(
        families(&figures).into_iter().map(|((name, help, labels), _)| metric(name, Counter, labels, help)),
    );
    all.extend(
        summaries(&figures).into_iter().map(|((name, help, labels), ..)| metric(name, Summary, labels, help)),
    );
    all.extend(QUEUES.iter().map(|(name, help, _)| metric(name, Gauge, &QUEUE_LABELS, help)));
    all.extend(GAUGES.iter().map(|(name, help)| metric(name, Gauge, &[], help)));
    all.extend(TOTALS.iter().map(|(name, help)| metric(name, Counter, &[], help)));
    all.extend(DURATIONS.iter().map(|(name, help)| metric(name, Histogram, &["le"], help)));
    all
}

impl EdgeHub {
    pub fn metrics(&self) -> String {
        self.shared.metrics()
    }
}

impl Shared {
    pub(crate) fn metrics(&self) -> String {
        let hub = self.options.host_names.first().map_or("", String::as_str);
        let common = format!(
            "iothub=\"{hub}\",edge_device=\"{}\",instance_number=\"{}\"",
            self.options.device, self.options.instance
        );
        let mut out = String::new();
        let figures = &self.figures;
        for ((name, help, _), family) in families(figures) {
            head(&mut out, name, help, "counter");
            for (labels, count) in family.series() {
                let separator = if labels.is_empty() { "" } else { "," };
                line(&mut out, name, &format!("{common},ms_telemetry=\"True\"{separator}{labels}"), count);
            }
        }
        for ((name, help, _), family, tells) in summaries(figures) {
            head(&mut out, name, help, "summary");
            let common = if tells { format!("{common},ms_telemetry=\"True\"") } else { common.clone() };
            for (labels, summed) in family.summed() {
                let separator = if labels.is_empty() { "" } else { "," };
                summary(&mut out, name, &format!("{common}{separator}{labels}"), &summed);
            }
        }
        let lengths = self.spool.lengths();
        for (name, help, of) in QUEUES {
            head(&mut out, name, help, "gauge");
            for (queue, records, bytes) in &lengths {
                let endpoint = self.endpoint(&queue.endpoint.to_string());
                let labels = format!("{common},endpoint=\"{endpoint}\",priority=\"{}\"", queue.priority);
                line(&mut out, name, &labels, of(*records, *bytes));
            }
        }
        let log = self.spool.log.figures();
        let gauges = [
            self.directory.len() as u64,
            log.disk_bytes,
            self.scope.len() as u64,
            u64::from(self.lines.is_reached()),
        ];
        for ((name, help), value) in GAUGES.iter().zip(gauges) {
            head(&mut out, name, help, "gauge");
            line(&mut out, name, &common, value);
        }
        let totals = [
            self.spool.refused(),
            figures.sent_again.get(),
            figures.parked.get(),
            figures.stalls.get(),
            log.damaged,
        ];
        for ((name, help), value) in TOTALS.iter().zip(totals) {
            head(&mut out, name, help, "counter");
            line(&mut out, name, &common, value);
        }
        let durations = [figures.durable.counts(), figures.upstream.counts()];
        for ((name, help), counts) in DURATIONS.iter().zip(durations) {
            head(&mut out, name, help, "histogram");
            histogram(&mut out, name, &common, &counts);
        }
        out
    }

    /// As the original names endpoints.
    pub(crate) fn endpoint(&self, name: &str) -> String {
        match name {
            "iothub" => name.to_owned(),
            input => format!("{}/{input}", self.options.device),
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "{PREFIX}{name}{{{labels}}} {value}");
}

fn summary(out: &mut String, name: &str, labels: &str, summed: &Summed) {
    for (quantile, value) in &summed.quantiles {
        let _ = writeln!(out, "{PREFIX}{name}{{{labels},quantile=\"{quantile}\"}} {value}");
    }
    let _ = writeln!(out, "{PREFIX}{name}_sum{{{labels}}} {}", summed.sum);
    line(out, &format!("{name}_count"), labels, summed.count);
}

fn histogram(out: &mut String, name: &str, common: &str, counts: &DurationCounts) {
    for (bound, count) in counts.cumulative() {
        let bound = bound.map_or("+Inf".to_owned(), |seconds| seconds.to_string());
        line(out, &format!("{name}_bucket"), &format!("{common},le=\"{bound}\""), count);
    }
    let _ = writeln!(out, "{PREFIX}{name}_sum{{{common}}} {}", counts.total.as_secs_f64());
    line(out, &format!("{name}_count"), common, counts.count());
}
