//! The exposition, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::summary::{QUANTILES, Summary};
use super::{HostFigures, Metrics, Usage};

/// Labels of every series, and what `metadata` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) hub_host: String,
    pub(crate) device_id: String,
    /// Of this process.
    pub(crate) instance: String,
    pub(crate) version: String,
    /// The machine, in words.
    pub(crate) host: String,
}

struct Page<'a> {
    text: String,
    common: &'a Common,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text cannot fail.
        let _ = write!(self.text, "# HELP edgeAgent_{name} {help}\n# TYPE edgeAgent_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let common = [
            ("iothub", self.common.hub_host.as_str()),
            ("edge_device", self.common.device_id.as_str()),
            ("instance_number", self.common.instance.as_str()),
        ];
        let _ = write!(self.text, "edgeAgent_{name}{{");
        for (index, (key, value)) in
            common.iter().chain(labels).chain(&[("ms_telemetry", "True")]).enumerate()
        {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(self.text, "{comma}{key}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn counters(&mut self, name: &str, help: &str, series: &BTreeMap<(String, String), u64>) {
        self.family(name, "counter", help);
        for ((module, version), value) in series {
            self.sample(name, &[("module_name", module), ("module_version", version)], float(*value));
        }
    }

    fn summary(&mut self, name: &str, labels: Labels<'_>, summary: &Summary) {
        for (quantile, value) in QUANTILES.iter().zip(summary.quantiles().into_iter().flatten()) {
            let quantile = quantile.to_string();
            self.sample(name, &[labels, &[("quantile", &quantile)]].concat(), value);
        }
        self.sample(&format!("{name}_sum"), labels, summary.sum);
        self.sample(&format!("{name}_count"), labels, float(summary.count));
    }
}

#[allow(clippy::cast_precision_loss, reason = "the format has floats only")]
fn float(value: u64) -> f64 {
    value as f64
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Metrics {
    pub(crate) fn page(
        &self,
        common: &Common,
        host: Option<&HostFigures>,
        usages: &BTreeMap<String, Usage>,
    ) -> String {
        let mut page = Page { text: String::new(), common };
        self.modules(&mut page);
        if let Some(host) = host {
            machine(&mut page, host);
        }
        memory(&mut page, host, usages);
        let cpu = host.map(|host| ("host", host.cpu_percent)).into_iter();
        let modules = usages.iter().filter_map(|(name, usage)| Some((name.as_str(), usage.cpu_percent?)));
        page.family("used_cpu_percent", "summary", "Percent of the processors in use");
        for (name, percent) in cpu.chain(modules) {
            let mut summary = Summary::default();
            summary.record(percent);
            page.summary("used_cpu_percent", &[("module_name", name)], &summary);
        }
        type Figure = fn(&Usage) -> u64;
        let figures: [(&str, &str, Figure); 5] = [
            ("created_pids_total", "Processes and threads in the module", |usage| usage.pids),
            ("total_network_in_bytes", "Bytes received", |usage| usage.network_in_bytes),
            ("total_network_out_bytes", "Bytes sent", |usage| usage.network_out_bytes),
            ("total_disk_read_bytes", "Bytes read from disk", |usage| usage.disk_read_bytes),
            ("total_disk_write_bytes", "Bytes written to disk", |usage| usage.disk_write_bytes),
        ];
        for (name, help, figure) in figures {
            page.family(name, "gauge", help);
            for (module, usage) in usages {
                page.sample(name, &[("module_name", module)], float(figure(usage)));
            }
        }
        page.family("metadata", "gauge", "What runs where");
        let labels = [
            ("edge_agent_version", common.version.as_str()),
            ("experimental_features", "{}"),
            ("host_information", common.host.as_str()),
        ];
        page.sample("metadata", &labels, 0.0);
        page.text
    }

    fn modules(&self, page: &mut Page<'_>) {
        let state = self.state();
        let running = "total_time_running_correctly_seconds";
        page.family(running, "gauge", "Seconds in which the module ran as wanted");
        for (module, (ran, _)) in &state.running {
            page.sample(running, &[("module_name", module)], *ran);
        }
        let expected = "total_time_expected_running_seconds";
        page.family(expected, "gauge", "Seconds in which the module should have run");
        for (module, (_, wanted)) in &state.running {
            page.sample(expected, &[("module_name", module)], *wanted);
        }
        page.counters("module_start_total", "Starts of the module", &state.starts);
        page.counters("module_stop_total", "Stops of the module", &state.stops);
        page.counters("module_prepare_update_total", "Pulls of the module's image", &state.pulls);
        page.family("command_latency_seconds", "summary", "What a step took");
        for (command, summary) in &state.latency {
            page.summary("command_latency_seconds", &[("command", command)], summary);
        }
        page.family("iothub_syncs_total", "counter", "Twins that came from the hub");
        page.sample("iothub_syncs_total", &[], float(state.syncs));
        page.family("unsuccessful_iothub_syncs_total", "counter", "Twins that did not come");
        page.sample("unsuccessful_iothub_syncs_total", &[], float(state.failed_syncs));
        page.family("deployment_time_seconds", "summary", "From a new version to its success");
        page.summary("deployment_time_seconds", &[], &state.deployment);
        // This one has neither the prefix nor the labels of the others.
        let name = "edgeagent_direct_method_invocations_count";
        let _ = write!(page.text, "# HELP {name} Calls of direct methods\n# TYPE {name} counter\n");
        for (method, value) in &state.methods {
            let _ = writeln!(page.text, "{name}{{method_name=\"{method}\"}} {value}");
        }
    }
}

fn machine(page: &mut Page<'_>, host: &HostFigures) {
    page.family("host_uptime_seconds", "gauge", "Seconds since the machine came up");
    page.sample("host_uptime_seconds", &[], host.uptime_seconds);
    page.family("iotedged_uptime_seconds", "gauge", "Seconds since the daemon came up");
    page.sample("iotedged_uptime_seconds", &[], host.daemon_uptime_seconds);
    for (name, help) in [
        ("available_disk_space_bytes", "Bytes that are free"),
        ("total_disk_space_bytes", "Bytes of the disk"),
    ] {
        page.family(name, "gauge", help);
        for disk in &host.disks {
            let value = if name.starts_with("total") { disk.bytes } else { disk.available_bytes };
            let labels = [
                ("disk_name", disk.name.as_str()),
                ("disk_filesystem", disk.file_system.as_str()),
                ("disk_filetype", disk.file_type.as_str()),
            ];
            page.sample(name, &labels, float(value));
        }
    }
}

fn memory(page: &mut Page<'_>, host: Option<&HostFigures>, usages: &BTreeMap<String, Usage>) {
    let of_host = host.map(|host| ("host", host.memory_used_bytes, host.memory_bytes));
    let of_modules =
        usages.iter().map(|(name, usage)| (name.as_str(), usage.memory_bytes, usage.memory_limit_bytes));
    let all: Vec<(&str, u64, u64)> = of_host.into_iter().chain(of_modules).collect();
    page.family("used_memory_bytes", "gauge", "Bytes of memory in use");
    for (name, used, _) in &all {
        page.sample("used_memory_bytes", &[("module_name", name)], float(*used));
    }
    page.family("total_memory_bytes", "gauge", "Bytes of memory that may be used");
    for (name, _, total) in &all {
        page.sample("total_memory_bytes", &[("module_name", name)], float(*total));
    }
}
