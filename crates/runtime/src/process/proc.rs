//! What `/proc` tells of a module's processes. They are those of the group that its first process leads.

use std::fs;

use serde_json::{Value, json};

use crate::EngineInfo;

/// The kernel counts processors' time in hundredths of a second, on every architecture that we know.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// The processes of a group, zombies left out. Its leader is one whatever `/proc` says: it may be that of other
/// namespaces.
pub(super) fn group(leader: u32) -> Vec<u32> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = listed.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = ids.filter(|id| {
        let fields = stat(*id);
        let state = fields.as_deref().and_then(|fields| fields.split(' ').next());
        *id != leader && field(fields.as_deref(), GROUP) == Some(u64::from(leader)) && state != Some("Z")
    });
    std::iter::once(leader).chain(others).collect()
}

/// Counted from the state, which is the first field behind the name.
const GROUP: usize = 2;
const USER_TIME: usize = 11;
const CHILDREN_SYSTEM_TIME: usize = 14;

/// The fields behind the name, which may hold anything.
fn stat(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

fn field(fields: Option<&str>, number: usize) -> Option<u64> {
    fields?.split(' ').nth(number)?.parse().ok()
}

/// Processors' time in nanoseconds: of a module, and of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    module: u64,
    machine: u64,
}

/// In the form of the engine's own document, as far as it can be told from outside; `before` is of the look
/// before.
pub(super) fn stats(name: &str, pids: &[u32], before: Option<Times>) -> (Value, Times) {
    let mut times = Times { module: 0, machine: machine_time() };
    let (mut memory, mut threads, mut read, mut written) = (0, 0, 0, 0);
    for pid in pids {
        let fields = stat(*pid);
        let ticks = (USER_TIME..=CHILDREN_SYSTEM_TIME).filter_map(|number| field(fields.as_deref(), number));
        times.module += ticks.sum::<u64>() * NANOSECONDS_PER_TICK;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        memory += named(&status, "VmRSS:").unwrap_or(0) * 1024;
        threads += named(&status, "Threads:").unwrap_or(0);
        // Of another user's processes it is not told.
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        read += named(&io, "read_bytes:").unwrap_or(0);
        written += named(&io, "write_bytes:").unwrap_or(0);
    }
    let cpu = |times: Times| {
        json!({
            "cpu_usage": {"total_usage": times.module}, "system_cpu_usage": times.machine, "online_cpus": cpus(),
        })
    };
    let stats = json!({
        "name": format!("/{name}"),
        "cpu_stats": cpu(times),
        "precpu_stats": before.map(cpu).unwrap_or_default(),
        "memory_stats": {"usage": memory, "limit": memory_bytes()},
        "pids_stats": {"current": threads},
        "blkio_stats": {"io_service_bytes_recursive": [
            {"op": "read", "value": read}, {"op": "write", "value": written},
        ]},
    });
    (stats, times)
}

/// Of all processors together.
fn machine_time() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // The last two are counted in the first two already.
    ticks.take(8).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * NANOSECONDS_PER_TICK
}

fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn memory_bytes() -> u64 {
    named(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:").unwrap_or(0) * 1024
}

fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

pub(super) fn info(log_driver: &str) -> EngineInfo {
    let line = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    EngineInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        os: "linux".to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        operating_system: name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned()),
        kernel: line("/proc/sys/kernel/osrelease"),
        cpus: cpus(),
        memory_bytes: memory_bytes(),
        log_driver: log_driver.to_owned(),
    }
}
