//! What the hub counts, as numbers with names: the status shows them, `/skerry/v1/metrics` writes them as Prometheus
//! reads them, and the manual lists them. A new counter is a new line of a table here.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use skerry_front::DurationCounts;
use skerry_model::{Metric, MetricKind};
use skerry_store::{blobs, documents as store, log as journal};

mod amqp;
mod commands;
mod connections;
mod documents;
mod files;
mod links;
mod log;
mod mqtt;

use super::Reply;
use crate::Hub;
use crate::files::FileFigures;
use crate::links::LinkFigures;

const PREFIX: &str = "skerry_hub_";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// Name, kind, meaning, and the number.
type Row = (&'static str, Kind, &'static str, u64);
/// The same of how long things took.
type Lasting = (&'static str, &'static str, DurationCounts);

/// How full the disk is on which the hub has its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    pub free_bytes: u64,
    pub bytes: u64,
}

/// Knows the disk; the hub itself knows no files.
pub trait Disk: Send + Sync {
    /// May wait for the disk. `None` where it cannot be told.
    fn room(&self) -> Option<Room>;
}

/// Where the numbers come from.
#[derive(Default)]
struct Sources<'a> {
    connected: u64,
    documents: store::Figures,
    log: journal::Figures,
    commands: crate::commands::Figures,
    links: LinkFigures,
    files: Option<(FileFigures, blobs::Figures)>,
    front: Option<&'a skerry_front::Figures>,
    events_dropped: u64,
    too_fast: u64,
    certificate_seconds_left: u64,
    disk: Option<Room>,
}

impl Sources<'_> {
    fn rows(&self) -> Vec<Row> {
        use Kind::{Counter, Gauge};
        let mut rows = vec![(
            "identities_connected",
            Gauge,
            "Devices and modules whose connection is open",
            self.connected,
        )];
        rows.extend(documents::figures(&self.documents));
        rows.extend(log::figures(&self.log));
        rows.extend(commands::figures(&self.commands));
        rows.extend(links::figures(&self.links));
        rows.extend(self.files.iter().flat_map(|(files, blobs)| files::figures(files, blobs)));
        if let Some(disk) = &self.disk {
            rows.extend([
                ("disk_bytes", Gauge, "Bytes of the disk that has the hub's data", disk.bytes),
                ("disk_free_bytes", Gauge, "Bytes of it that are free", disk.free_bytes),
            ]);
        }
        let Some(front) = self.front else { return rows };
        rows.extend(mqtt::figures(front));
        rows.extend(amqp::figures(front));
        rows.extend([
            (
                "connection_events_dropped",
                Counter,
                "Events about connections that were not kept",
                self.events_dropped,
            ),
            (
                "messages_too_fast",
                Counter,
                "Messages of a client refused because they came too fast",
                self.too_fast,
            ),
        ]);
        rows.extend(connections::figures(front));
        rows.push((
            "server_certificate_seconds_left",
            Gauge,
            "Time until the server certificate expires",
            self.certificate_seconds_left,
        ));
        rows
    }

    fn lasting(&self) -> Vec<Lasting> {
        let Some(front) = self.front else { return Vec::new() };
        vec![
            (
                "message_durable_seconds",
                "From messages that came together, by MQTT or AMQP, until they are durable",
                front.ingest_waits.counts(),
            ),
            (
                "http_answer_seconds",
                "From the head of an HTTP request to the head of its answer",
                front.http_answers.counts(),
            ),
        ]
    }
}

impl Hub {
    /// The disk is asked first, since only that takes time.
    pub(super) async fn room(&self) -> Option<Room> {
        let disk = Arc::clone(self.disk.get()?);
        tokio::task::spawn_blocking(move || disk.room()).await.ok().flatten()
    }

    fn sources(&self, disk: Option<Room>) -> Sources<'_> {
        let front = self.front.get();
        Sources {
            connected: self.registry.connected_count(),
            documents: self.registry.documents().figures(),
            log: self.telemetry.figures(),
            commands: self.commands.figures(),
            links: self.links.figures(),
            files: self.files.as_ref().map(|files| (files.figures(), files.blobs().figures())),
            front: front.map(skerry_front::Handle::figures),
            events_dropped: self.devices.events_dropped(),
            too_fast: self.devices.too_fast(),
            certificate_seconds_left: front
                .map_or(0, |front| front.tls().expires_at().since(self.clock.now()).as_secs()),
            disk,
        }
    }

    /// The same numbers by name, for the status.
    pub(super) fn figures_json(&self, disk: Option<Room>) -> Value {
        let rows = self.sources(disk).rows().into_iter();
        rows.map(|(name, _, _, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>().into()
    }

    /// How many things took no longer than so many seconds, by name.
    pub(super) fn durations_json(&self) -> Value {
        let lasting = self.sources(None).lasting().into_iter();
        lasting.map(|(name, _, counts)| (name.to_owned(), steps(&counts))).collect::<Map<_, _>>().into()
    }

    pub(super) async fn show_metrics(&self) -> Reply {
        let room = self.room().await;
        let sources = self.sources(room);
        let mut text = String::new();
        for row @ (.., value) in sources.rows() {
            let Metric { name, kind, help, .. } = described(&row);
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {}\n{name} {value}\n", kind.word());
        }
        for (name, help, counts) in sources.lasting() {
            let name = format!("{PREFIX}{name}");
            let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} histogram\n");
            for (bound, count) in counts.cumulative() {
                let bound = bound.map_or("+Inf".to_owned(), |seconds| seconds.to_string());
                let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}");
            }
            let (sum, count) = (counts.total.as_secs_f64(), counts.count());
            let _ = write!(text, "{name}_sum {sum}\n{name}_count {count}\n");
        }
        let headers = vec![("content-type".into(), "text/plain; version=0.0.4; charset=utf-8".to_owned())];
        Reply { status: 200, headers, body: text.into_bytes() }
    }
}

fn steps(counts: &DurationCounts) -> Value {
    let steps = counts.cumulative().map(|(bound, count)| json!({"seconds": bound, "count": count}));
    json!({"steps": steps.collect::<Vec<_>>(), "count": counts.count(), "seconds": counts.total.as_secs_f64()})
}

fn described((name, kind, help, _): &Row) -> Metric {
    let (name, kind) = match kind {
        Kind::Counter => (format!("{PREFIX}{name}_total"), MetricKind::Counter),
        Kind::Gauge => (format!("{PREFIX}{name}"), MetricKind::Gauge),
    };
    Metric { name, kind, labels: &[], help }
}

/// Every metric of a hub, whatever it runs with.
pub fn metrics() -> Vec<Metric> {
    let front = skerry_front::Figures::default();
    let sources = Sources {
        front: Some(&front),
        files: Some(Default::default()),
        disk: Some(Room::default()),
        ..Sources::default()
    };
    let mut metrics: Vec<Metric> = sources.rows().iter().map(described).collect();
    metrics.extend(sources.lasting().into_iter().map(|(name, help, _)| Metric {
        name: format!("{PREFIX}{name}"),
        kind: MetricKind::Histogram,
        labels: &["le"],
        help,
    }));
    metrics
}
