//! The exposition, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::families::{self, COMMON_LABELS, Family};
use super::summary::{QUANTILES, Summary};
use super::{Disk, HostFigures, Metrics, Usage};

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
    fn family(&mut self, family: &Family) {
        let (name, help) = (family.full_name(), family.help);
        // Writing to a text cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {}\n", family.kind.word());
    }

    fn sample(&mut self, family: &Family, labels: Labels<'_>, value: f64) {
        self.line(&family.full_name(), labels, value);
    }

    fn line(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let common = [&self.common.hub_host, &self.common.device_id, &self.common.instance];
        let common = COMMON_LABELS.into_iter().zip(common.map(String::as_str));
        let _ = write!(self.text, "{name}{{");
        for (index, (key, value)) in
            common.chain(labels.iter().copied()).chain([("ms_telemetry", "True")]).enumerate()
        {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(self.text, "{comma}{key}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn counters(&mut self, family: &Family, series: &BTreeMap<(String, String), u64>) {
        self.family(family);
        for ((module, version), value) in series {
            self.sample(family, &[("module_name", module), ("module_version", version)], float(*value));
        }
    }

    fn summary(&mut self, family: &Family, labels: Labels<'_>, summary: &Summary) {
        for (quantile, value) in QUANTILES.iter().zip(summary.quantiles().into_iter().flatten()) {
            let quantile = quantile.to_string();
            self.sample(family, &[labels, &[("quantile", &quantile)]].concat(), value);
        }
        let name = family.full_name();
        self.line(&format!("{name}_sum"), labels, summary.sum);
        self.line(&format!("{name}_count"), labels, float(summary.count));
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
        page.family(&families::CPU);
        for (name, percent) in cpu.chain(modules) {
            let mut summary = Summary::default();
            summary.record(percent);
            page.summary(&families::CPU, &[("module_name", name)], &summary);
        }
        type Figure = fn(&Usage) -> u64;
        let figures: [(Family, Figure); 5] = [
            (families::PIDS, |usage| usage.pids),
            (families::NETWORK_IN, |usage| usage.network_in_bytes),
            (families::NETWORK_OUT, |usage| usage.network_out_bytes),
            (families::DISK_READ, |usage| usage.disk_read_bytes),
            (families::DISK_WRITTEN, |usage| usage.disk_write_bytes),
        ];
        for (family, figure) in figures {
            page.family(&family);
            for (module, usage) in usages {
                page.sample(&family, &[("module_name", module)], float(figure(usage)));
            }
        }
        page.family(&families::METADATA);
        let labels = [
            ("edge_agent_version", common.version.as_str()),
            ("experimental_features", "{}"),
            ("host_information", common.host.as_str()),
        ];
        page.sample(&families::METADATA, &labels, 0.0);
        page.text
    }

    fn modules(&self, page: &mut Page<'_>) {
        let state = self.state();
        page.family(&families::RAN);
        for (module, (ran, _)) in &state.running {
            page.sample(&families::RAN, &[("module_name", module)], *ran);
        }
        page.family(&families::EXPECTED);
        for (module, (_, wanted)) in &state.running {
            page.sample(&families::EXPECTED, &[("module_name", module)], *wanted);
        }
        page.counters(&families::STARTS, &state.starts);
        page.counters(&families::STOPS, &state.stops);
        page.counters(&families::PULLS, &state.pulls);
        page.family(&families::LATENCY);
        for (command, summary) in &state.latency {
            page.summary(&families::LATENCY, &[("command", command)], summary);
        }
        for (family, count) in [(families::SYNCS, state.syncs), (families::FAILED_SYNCS, state.failed_syncs)]
        {
            page.family(&family);
            page.sample(&family, &[], float(count));
        }
        page.family(&families::DEPLOYMENT);
        page.summary(&families::DEPLOYMENT, &[], &state.deployment);
        page.family(&families::METHODS);
        let name = families::METHODS.full_name();
        for (method, value) in &state.methods {
            let _ = writeln!(page.text, "{name}{{method_name=\"{method}\"}} {value}");
        }
    }
}

fn machine(page: &mut Page<'_>, host: &HostFigures) {
    for (family, seconds) in
        [(families::HOST_UPTIME, host.uptime_seconds), (families::DAEMON_UPTIME, host.daemon_uptime_seconds)]
    {
        page.family(&family);
        page.sample(&family, &[], seconds);
    }
    type OfDisk = fn(&Disk) -> u64;
    let sizes: [(Family, OfDisk); 2] =
        [(families::DISK_FREE, |disk| disk.available_bytes), (families::DISK_SIZE, |disk| disk.bytes)];
    for (family, size) in sizes {
        page.family(&family);
        for disk in &host.disks {
            let labels = [
                ("disk_name", disk.name.as_str()),
                ("disk_filesystem", disk.file_system.as_str()),
                ("disk_filetype", disk.file_type.as_str()),
            ];
            page.sample(&family, &labels, float(size(disk)));
        }
    }
}

fn memory(page: &mut Page<'_>, host: Option<&HostFigures>, usages: &BTreeMap<String, Usage>) {
    let of_host = host.map(|host| ("host", host.memory_used_bytes, host.memory_bytes));
    let of_modules =
        usages.iter().map(|(name, usage)| (name.as_str(), usage.memory_bytes, usage.memory_limit_bytes));
    let all: Vec<(&str, u64, u64)> = of_host.into_iter().chain(of_modules).collect();
    page.family(&families::MEMORY_USED);
    for (name, used, _) in &all {
        page.sample(&families::MEMORY_USED, &[("module_name", name)], float(*used));
    }
    page.family(&families::MEMORY);
    for (name, _, total) in &all {
        page.sample(&families::MEMORY, &[("module_name", name)], float(*total));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::plan::Step;

    /// Those that say nothing of what is counted.
    const OF_THE_FORMAT: [&str; 2] = ["quantile", "ms_telemetry"];

    #[tokio::test]
    async fn every_series_is_one_that_the_manual_lists() {
        let metrics = Metrics::default();
        for step in [Step::Pull("m".into()), Step::Start("m".into()), Step::Stop("m".into())] {
            metrics.note_step(&step, "1", Duration::from_secs(1));
        }
        metrics.note_method("ping");
        metrics.note_running([("m", true)].into_iter());
        let common = Common {
            hub_host: "h".to_owned(),
            device_id: "d".to_owned(),
            instance: "i".to_owned(),
            version: "1".to_owned(),
            host: "linux".to_owned(),
        };
        let host = HostFigures { disks: vec![Disk::default()], ..HostFigures::default() };
        let usages = BTreeMap::from([("m".to_owned(), Usage { cpu_percent: Some(1.0), ..Usage::default() })]);
        let page = metrics.page(&common, Some(&host), &usages);
        let mut told = BTreeSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (name, rest) = line.split_once('{').unwrap();
            let labels: BTreeSet<&str> =
                rest.split("\",").filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
            let listed = families::metrics();
            let of = |suffix: &str| name.strip_suffix(suffix).unwrap_or(name).to_owned();
            let names = [name.to_owned(), of("_sum"), of("_count")];
            let metric = listed.iter().find(|metric| names.contains(&metric.name)).expect(line);
            let own: BTreeSet<&str> = labels
                .into_iter()
                .filter(|label| !COMMON_LABELS.contains(label) && !OF_THE_FORMAT.contains(label))
                .collect();
            assert_eq!(own, metric.labels.iter().copied().collect(), "{line}");
            told.insert(metric.name.clone());
        }
        let listed: BTreeSet<String> = families::metrics().into_iter().map(|metric| metric.name).collect();
        assert_eq!(told, listed);
    }
}
