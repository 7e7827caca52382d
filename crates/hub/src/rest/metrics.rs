//! What the hub counts, as numbers with names: the status shows them, and `/skerry/v1/metrics` writes
//! them as Prometheus reads them. A new counter is a new line of the table here.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use skerry_front::Figure;

mod amqp;
mod links;
mod mqtt;

use super::Reply;
use crate::Hub;
use crate::files::Files;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

struct Metric {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: u64,
}

impl Hub {
    fn metrics(&self) -> Vec<Metric> {
        use Kind::{Counter, Gauge};
        let mut metrics = Vec::new();
        let mut add = |name, kind, help, value| metrics.push(Metric { name, kind, help, value });
        add(
            "identities_connected",
            Gauge,
            "Devices and modules whose connection is open",
            self.registry.connected_count(),
        );
        let store = self.registry.documents().figures();
        add("documents_commits", Counter, "Commits answered with success", store.commits);
        add(
            "documents_conflicts",
            Counter,
            "Commits refused because the document had changed",
            store.conflicts,
        );
        add("documents_groups", Counter, "Groups of commits made durable together", store.groups);
        add("documents_queued", Gauge, "Changes waiting for the writer", store.queued);
        add("documents_queued_bytes", Gauge, "Bytes waiting for the writer", store.queued_bytes);
        add(
            "documents_turned_away",
            Counter,
            "Commits turned away because the queue stayed full",
            store.turned_away,
        );
        add(
            "documents_refused_full",
            Counter,
            "Groups of commits refused because the disk was full",
            store.full,
        );
        add("documents_reads_queued", Gauge, "Reads waiting for their turn", store.reads_queued);
        add(
            "documents_reads_turned_away",
            Counter,
            "Reads turned away because the queue stayed full",
            store.reads_turned_away,
        );
        add("documents_reads", Counter, "Documents read", store.reads);
        add("documents_examined", Counter, "Documents looked at by queries", store.examined);
        for (name, kind, help, value) in log_figures(&self.telemetry.figures()) {
            add(name, kind, help, value);
        }
        for (name, kind, help, value) in command_figures(&self.commands.figures()) {
            add(name, kind, help, value);
        }
        for (name, kind, help, value) in links::figures(&self.links.figures()) {
            add(name, kind, help, value);
        }
        for (name, kind, help, value) in self.files.iter().flat_map(file_figures) {
            add(name, kind, help, value);
        }
        let Some(front) = self.front.get() else {
            return metrics;
        };
        let of = Figure::get;
        let front_figures = front.figures();
        for (name, kind, help, value) in mqtt::figures(front_figures) {
            add(name, kind, help, value);
        }
        for (name, kind, help, value) in amqp::figures(front_figures) {
            add(name, kind, help, value);
        }
        add(
            "connection_events_dropped",
            Counter,
            "Events about connections that were not kept",
            self.devices.events_dropped(),
        );
        add(
            "messages_too_fast",
            Counter,
            "Messages of a client refused because they came too fast",
            self.devices.too_fast(),
        );
        add(
            "connections_accepted",
            Counter,
            "Connections taken from the system",
            of(&front_figures.connections_accepted),
        );
        add("connections_open", Gauge, "Connections that are open", of(&front_figures.connections_open));
        add(
            "connections_half_open",
            Gauge,
            "Connections whose handshake is not done",
            of(&front_figures.connections_half_open),
        );
        add(
            "connections_refused_full",
            Counter,
            "Connections closed because too many were open",
            of(&front_figures.connections_refused_full),
        );
        add(
            "half_open_dropped",
            Counter,
            "Half-open connections that made room for newer ones",
            of(&front_figures.half_open_dropped),
        );
        add("handshakes_done", Counter, "TLS handshakes that succeeded", of(&front_figures.handshakes_done));
        add("handshakes_failed", Counter, "TLS handshakes that failed", of(&front_figures.handshakes_failed));
        add(
            "handshakes_timed_out",
            Counter,
            "TLS handshakes that took too long",
            of(&front_figures.handshakes_timed_out),
        );
        add(
            "accept_errors",
            Counter,
            "Times the system gave no connection",
            of(&front_figures.accept_errors),
        );
        add(
            "connections_panicked",
            Counter,
            "Connections ended by a fault of the hub",
            of(&front_figures.connections_panicked),
        );
        add("http_requests", Counter, "HTTP requests", of(&front_figures.http_requests));
        add(
            "http_requests_open",
            Gauge,
            "HTTP requests being read or answered",
            of(&front_figures.http_requests_open),
        );
        add("http_body_bytes", Gauge, "Bytes of request bodies held", of(&front_figures.http_body_bytes));
        add(
            "http_bodies_streamed",
            Gauge,
            "Bodies that are taken piece by piece",
            of(&front_figures.http_bodies_streamed),
        );
        add(
            "http_streamed_bytes",
            Counter,
            "Bytes of bodies that were taken piece by piece",
            of(&front_figures.http_streamed_bytes),
        );
        add(
            "http_bodies_too_large",
            Counter,
            "Bodies refused for their size",
            of(&front_figures.http_bodies_too_large),
        );
        add(
            "http_bodies_timed_out",
            Counter,
            "Bodies that did not arrive in time",
            of(&front_figures.http_bodies_timed_out),
        );
        add("http_bodies_broken", Counter, "Bodies that broke off", of(&front_figures.http_bodies_broken));
        add(
            "http_bodies_without_budget",
            Counter,
            "Bodies for which there was no memory",
            of(&front_figures.http_bodies_without_budget),
        );
        add(
            "http_headers_refused",
            Counter,
            "Requests with too many headers",
            of(&front_figures.http_headers_refused),
        );
        add(
            "http_handlers_panicked",
            Counter,
            "Requests ended by a fault of the hub",
            of(&front_figures.http_handlers_panicked),
        );
        add(
            "http_heads_timed_out",
            Counter,
            "Connections closed because a head did not arrive in time",
            of(&front_figures.http_heads_timed_out),
        );
        add(
            "http_idle_closed",
            Counter,
            "Connections closed because nothing was asked",
            of(&front_figures.http_idle_closed),
        );
        add(
            "http_writes_stalled",
            Counter,
            "Connections closed because the client stopped reading",
            of(&front_figures.http_writes_stalled),
        );
        let until = front.tls().expires_at().since(self.clock.now());
        add(
            "server_certificate_seconds_left",
            Gauge,
            "Time until the server certificate expires",
            until.as_secs(),
        );
        metrics
    }

    /// The same numbers by name, for the status.
    pub(super) fn figures_json(&self) -> Value {
        let figures: Map<String, Value> =
            self.metrics().into_iter().map(|metric| (metric.name.to_owned(), metric.value.into())).collect();
        figures.into()
    }

    pub(super) fn show_metrics(&self) -> Reply {
        let mut text = String::new();
        for Metric { name, kind, help, value } in self.metrics() {
            let (name, kind) = match kind {
                Kind::Counter => (format!("skerry_hub_{name}_total"), "counter"),
                Kind::Gauge => (format!("skerry_hub_{name}"), "gauge"),
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}\n");
        }
        let headers = vec![("content-type".into(), "text/plain; version=0.0.4; charset=utf-8".to_owned())];
        Reply { status: 200, headers, body: text.into_bytes() }
    }
}
/// Uploads and their blobs.
fn file_figures(files: &Files) -> [(&'static str, Kind, &'static str, u64); 14] {
    use Kind::{Counter, Gauge};
    let (files, blobs) = (files.figures(), files.blobs().figures());
    [
        ("files", Gauge, "Files that are kept", blobs.blobs),
        ("files_bytes", Gauge, "Their bytes", blobs.blob_bytes),
        ("files_blocks", Gauge, "Blocks that wait to become part of a file", blobs.blocks_waiting),
        ("files_blocks_bytes", Gauge, "Their bytes", blobs.blocks_waiting_bytes),
        ("files_writing_bytes", Gauge, "Bytes that are being written", blobs.writing_bytes),
        ("files_refused_full", Counter, "Writes refused because there was no room", blobs.refused_full),
        ("files_damaged", Counter, "Times that a file could not be read back", blobs.damaged),
        ("files_uploads_begun", Counter, "Uploads that devices began", files.begun),
        ("files_uploads_succeeded", Counter, "Uploads that devices finished", files.succeeded),
        ("files_uploads_failed", Counter, "Uploads that devices gave up", files.failed),
        ("files_removed_by_age", Counter, "Files removed because of their age", files.swept_blobs),
        ("files_blocks_removed", Counter, "Blocks removed because nobody used them", files.swept_blocks),
        (
            "files_notices_waiting",
            Gauge,
            "Notices about files that nobody has settled",
            files.notices_waiting,
        ),
        ("files_notices_dropped", Counter, "Notices about files that nobody settled", files.notices_dropped),
    ]
}

/// The log behind the telemetry.
fn log_figures(log: &skerry_store::log::Figures) -> [(&'static str, Kind, &'static str, u64); 17] {
    use Kind::{Counter, Gauge};
    [
        ("log_records", Counter, "Messages that the log placed", log.records),
        ("log_record_bytes", Counter, "Their bytes", log.record_bytes),
        ("log_repetitions", Counter, "Messages that were there already", log.repetitions),
        ("log_groups", Counter, "Groups of messages written together", log.groups),
        ("log_syncs", Counter, "Times that the log waited for the disk", log.syncs),
        ("log_syncs_failed", Counter, "Times that the disk failed it", log.syncs_failed),
        ("log_written_bytes", Counter, "Bytes written to the log's files", log.written_bytes),
        ("log_disk_bytes", Gauge, "Bytes that the log's files have", log.disk_bytes),
        ("log_segments", Gauge, "Files that the log has", log.segments),
        ("log_queued_bytes", Gauge, "Bytes waiting to be written", log.queued_bytes),
        ("log_turned_away", Counter, "Batches turned away because the queue stayed full", log.turned_away),
        ("log_refused_full", Counter, "Batches refused because the disk or the cap was full", log.full),
        ("log_removed_by_age_bytes", Counter, "Bytes removed because of their age", log.removed_by_age_bytes),
        ("log_removed_by_cap_bytes", Counter, "Bytes removed to make room", log.removed_by_cap_bytes),
        ("log_rewritten_bytes", Counter, "Bytes copied because a reader lags", log.rewritten_bytes),
        ("log_reads", Counter, "Messages read from the log", log.reads),
        ("log_damaged", Counter, "Places of the log that could not be read back", log.damaged),
    ]
}

fn command_figures(commands: &crate::commands::Figures) -> [(&'static str, Kind, &'static str, u64); 14] {
    use Kind::{Counter, Gauge};
    [
        ("commands_depth", Gauge, "Commands that wait or are held", commands.depth),
        ("commands_enqueued", Counter, "Commands taken in", commands.enqueued),
        ("commands_completed", Counter, "Commands that were done", commands.completed),
        ("commands_rejected", Counter, "Commands that were refused for good", commands.rejected),
        ("commands_expired", Counter, "Commands that waited for too long", commands.expired),
        ("commands_undeliverable", Counter, "Commands given up too often", commands.undeliverable),
        ("commands_abandoned", Counter, "Deliveries that were given up", commands.abandoned),
        ("commands_redelivered", Counter, "Commands delivered once more", commands.redelivered),
        ("commands_purged", Counter, "Commands taken out by an operator", commands.purged),
        ("commands_refused_full", Counter, "Commands refused because too many waited", commands.refused_full),
        ("feedback_depth", Gauge, "Records of feedback that wait or are held", commands.feedback_depth),
        ("feedback_completed", Counter, "Records of feedback that were read", commands.feedback_completed),
        ("feedback_expired", Counter, "Records of feedback that nobody read", commands.feedback_expired),
        ("feedback_dropped", Counter, "Records of feedback for which was no room", commands.feedback_dropped),
    ]
}
