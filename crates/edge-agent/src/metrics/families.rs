//! Every family of figures: what the exposition begins with, and what the manual lists.

use skerry_model::{Metric, MetricKind};

use MetricKind::{Counter, Gauge, Summary};

const PREFIX: &str = "edgeAgent_";
/// Of every series but those of [`METHODS`].
pub const COMMON_LABELS: [&str; 3] = ["iothub", "edge_device", "instance_number"];

pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: MetricKind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

const fn family(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
}

const MODULE: &[&str] = &["module_name"];
const VERSION: &[&str] = &["module_name", "module_version"];
const DISK: &[&str] = &["disk_name", "disk_filesystem", "disk_filetype"];

pub(super) const RAN: Family = family(
    "total_time_running_correctly_seconds",
    Gauge,
    MODULE,
    "Seconds in which the module ran as wanted",
);
pub(super) const EXPECTED: Family = family(
    "total_time_expected_running_seconds",
    Gauge,
    MODULE,
    "Seconds in which the module should have run",
);
pub(super) const STARTS: Family = family("module_start_total", Counter, VERSION, "Starts of the module");
pub(super) const STOPS: Family = family("module_stop_total", Counter, VERSION, "Stops of the module");
pub(super) const PULLS: Family =
    family("module_prepare_update_total", Counter, VERSION, "Pulls of the module's image");
pub(super) const LATENCY: Family =
    family("command_latency_seconds", Summary, &["command"], "What a step took");
pub(super) const SYNCS: Family = family("iothub_syncs_total", Counter, &[], "Twins that came from the hub");
pub(super) const FAILED_SYNCS: Family =
    family("unsuccessful_iothub_syncs_total", Counter, &[], "Twins that did not come");
pub(super) const DEPLOYMENT: Family =
    family("deployment_time_seconds", Summary, &[], "From a new version to its success");
/// This one has neither the prefix nor the labels of the others.
pub(super) const METHODS: Family =
    family("edgeagent_direct_method_invocations_count", Counter, &["method_name"], "Calls of direct methods");
pub(super) const HOST_UPTIME: Family =
    family("host_uptime_seconds", Gauge, &[], "Seconds since the machine came up");
pub(super) const DAEMON_UPTIME: Family =
    family("iotedged_uptime_seconds", Gauge, &[], "Seconds since the daemon came up");
pub(super) const DISK_FREE: Family = family("available_disk_space_bytes", Gauge, DISK, "Bytes that are free");
pub(super) const DISK_SIZE: Family = family("total_disk_space_bytes", Gauge, DISK, "Bytes of the disk");
pub(super) const MEMORY_USED: Family = family("used_memory_bytes", Gauge, MODULE, "Bytes of memory in use");
pub(super) const MEMORY: Family =
    family("total_memory_bytes", Gauge, MODULE, "Bytes of memory that may be used");
pub(super) const CPU: Family =
    family("used_cpu_percent", Summary, MODULE, "Percent of the processors in use");
pub(super) const PIDS: Family =
    family("created_pids_total", Gauge, MODULE, "Processes and threads in the module");
pub(super) const NETWORK_IN: Family = family("total_network_in_bytes", Gauge, MODULE, "Bytes received");
pub(super) const NETWORK_OUT: Family = family("total_network_out_bytes", Gauge, MODULE, "Bytes sent");
pub(super) const DISK_READ: Family = family("total_disk_read_bytes", Gauge, MODULE, "Bytes read from disk");
pub(super) const DISK_WRITTEN: Family =
    family("total_disk_write_bytes", Gauge, MODULE, "Bytes written to disk");
pub(super) const METADATA: Family = family(
    "metadata",
    Gauge,
    &["edge_agent_version", "experimental_features", "host_information"],
    "What runs where",
);

const ALL: [Family; 23] = [
    RAN,
    EXPECTED,
    STARTS,
    STOPS,
    PULLS,
    LATENCY,
    SYNCS,
    FAILED_SYNCS,
    DEPLOYMENT,
    METHODS,
    HOST_UPTIME,
    DAEMON_UPTIME,
    DISK_FREE,
    DISK_SIZE,
    MEMORY_USED,
    MEMORY,
    CPU,
    PIDS,
    NETWORK_IN,
    NETWORK_OUT,
    DISK_READ,
    DISK_WRITTEN,
    METADATA,
];

impl Family {
    pub(super) fn full_name(&self) -> String {
        if self.name == METHODS.name { self.name.to_owned() } else { format!("{PREFIX}{}", self.name) }
    }
}

/// Every metric of an agent.
pub fn metrics() -> Vec<Metric> {
    let metric = |family: &Family| Metric {
        name: family.full_name(),
        kind: family.kind,
        labels: family.labels,
        help: family.help,
    };
    ALL.iter().map(metric).collect()
}
