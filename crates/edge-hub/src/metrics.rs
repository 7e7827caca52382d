//! Figures as Prometheus reads them, with the original's names and labels.

use std::fmt::Write as _;

use crate::figures::Family;
use crate::service::{EdgeHub, Shared};

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
        let counters: [(&str, &str, &Family); 11] = [
            ("messages_received_total", "Messages that clients sent", &figures.messages_received),
            ("messages_sent_total", "Messages that were delivered", &figures.messages_sent),
            ("messages_dropped_total", "Messages that went nowhere", &figures.messages_dropped),
            ("messages_unack_total", "Messages that could not be stored", &figures.messages_unacknowledged),
            ("gettwin_total", "Twins that were asked for", &figures.twin_gets),
            ("reported_properties_total", "Reports of properties", &figures.reported),
            ("direct_methods_total", "Methods that were called", &figures.methods),
            ("offline_count_total", "Times that the hub was lost", &figures.offline),
            ("client_connect_failed_total", "Clients that were not let in", &figures.connect_failures),
            ("client_connect_success_total", "Clients that were let in", &figures.connects),
            ("client_disconnect_total", "Clients that went", &figures.disconnects),
        ];
        for (name, help, family) in counters {
            head(&mut out, name, help, "counter");
            for (labels, count) in family.series() {
                let separator = if labels.is_empty() { "" } else { "," };
                line(&mut out, name, &format!("{common},ms_telemetry=\"True\"{separator}{labels}"), count);
            }
        }
        head(&mut out, "queue_length", "Messages that wait", "gauge");
        let lengths = self.spool.lengths();
        for (queue, records, _) in &lengths {
            let endpoint = self.endpoint(&queue.endpoint.to_string());
            let labels = format!("{common},endpoint=\"{endpoint}\",priority=\"{}\"", queue.priority);
            line(&mut out, "queue_length", &labels, *records);
        }
        head(&mut out, "queue_bytes", "Bytes of messages that wait", "gauge");
        for (queue, _, bytes) in &lengths {
            let endpoint = self.endpoint(&queue.endpoint.to_string());
            let labels = format!("{common},endpoint=\"{endpoint}\",priority=\"{}\"", queue.priority);
            line(&mut out, "queue_bytes", &labels, *bytes);
        }
        let log = self.spool.log.figures();
        let gauges = [
            ("connected_clients", "Clients that are connected", self.directory.len() as u64),
            ("store_bytes", "Bytes on the disk of messages that wait", log.disk_bytes),
            ("scope_identities", "Identities that may connect", self.scope.len() as u64),
            ("upstream_connected", "Whether the hub is reached", u64::from(self.lines.is_reached())),
        ];
        for (name, help, value) in gauges {
            head(&mut out, name, help, "gauge");
            line(&mut out, name, &common, value);
        }
        let totals = [
            ("messages_refused_total", "Messages that were not taken for want of room", self.spool.refused()),
            ("messages_resent_total", "Messages that were sent again", figures.sent_again.get()),
            ("messages_parked_total", "Messages whose sender the hub does not let in", figures.parked.get()),
            ("upstream_stalls_total", "Connections to the hub that were stuck", figures.stalls.get()),
            ("store_damaged_total", "Places of the store that could not be read", log.damaged),
        ];
        for (name, help, value) in totals {
            head(&mut out, name, help, "counter");
            line(&mut out, name, &common, value);
        }
        out
    }

    /// As the original names endpoints.
    fn endpoint(&self, name: &str) -> String {
        match name {
            "iothub" => name.to_owned(),
            input => format!("{}/{input}", self.options.device),
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP edgehub_{name} {help}\n# TYPE edgehub_{name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "edgehub_{name}{{{labels}}} {value}");
}
