//! What the machine tells of itself, in `/proc`, `/sys` and `/etc/os-release`.

use std::fs;
use std::path::Path;

use rustix::fs::statvfs;
use serde_json::{Map, Value, json};

/// No file that is read here is longer.
const FILE_BYTES_MAX: usize = 64 << 10;
/// Of a table of mounts.
const DISKS_MAX: usize = 64;
/// The kernel counts processors' time in hundredths of a second, on every architecture that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// Facts that do not change while the machine runs.
pub(super) fn facts(root: &Path) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.insert(key.to_owned(), value.into());
        }
    };
    let kernel = |name: &str| line(root, &format!("proc/sys/kernel/{name}"));
    put("osType", Some(kernel("ostype").unwrap_or_else(|| "Linux".to_owned())));
    put("kernel_release", kernel("osrelease"));
    put("kernel_version", kernel("version"));
    let release =
        read(root, "etc/os-release").or_else(|| read(root, "usr/lib/os-release")).unwrap_or_default();
    let of_release = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
    };
    put("operating_system", of_release("ID"));
    put("operating_system_version", of_release("VERSION_ID"));
    put("operating_system_variant", of_release("VARIANT_ID"));
    put("operating_system_build", of_release("BUILD_ID"));
    put("architecture", Some(kernel("arch").unwrap_or_else(|| std::env::consts::ARCH.to_owned())));
    let dmi = |name: &str| line(root, &format!("sys/class/dmi/id/{name}"));
    put("product_name", dmi("product_name"));
    put("system_vendor", dmi("sys_vendor"));
    let processors = read(root, "proc/cpuinfo").unwrap_or_default();
    put("virtualized", Some(virtualized(&processors, dmi("sys_vendor").as_deref()).to_owned()));
    let cpus = processors.lines().filter(|line| line.starts_with("processor")).count();
    facts.insert("cpus".to_owned(), cpus.max(1).into());
    if let Some(total) = memory(root, "MemTotal") {
        facts.insert("total_memory".to_owned(), total.into());
    }
    facts
}

fn virtualized(processors: &str, vendor: Option<&str>) -> &'static str {
    const MACHINES: [&str; 6] = ["QEMU", "KVM", "VMware", "innotek", "Xen", "Microsoft"];
    let flags = processors.lines().find(|line| line.starts_with("flags"));
    let says_so = flags.is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let is_machine = vendor.is_some_and(|vendor| MACHINES.iter().any(|machine| vendor.contains(machine)));
    match (says_so || is_machine, flags.is_some() || vendor.is_some()) {
        (true, _) => "yes",
        (false, true) => "no",
        // Boards without either table do not tell.
        (false, false) => "unknown",
    }
}

/// What is in use now.
pub(crate) fn usage(root: &Path) -> Map<String, Value> {
    let mut usage = Map::new();
    let uptime = number_of(line(root, "proc/uptime").as_deref()).unwrap_or(0.0);
    usage.insert("host_uptime".to_owned(), (uptime as u64).into());
    let started = started_seconds(root).unwrap_or(uptime);
    usage.insert("process_uptime".to_owned(), ((uptime - started).max(0.0) as u64).into());
    usage.insert("used_cpu".to_owned(), used_cpu(root, uptime).into());
    let total = memory(root, "MemTotal").unwrap_or(0);
    let available = memory(root, "MemAvailable").unwrap_or(0);
    usage.insert("used_ram".to_owned(), total.saturating_sub(available).into());
    usage.insert("total_ram".to_owned(), total.into());
    usage.insert("disks".to_owned(), disks(root).into());
    usage
}

/// Percent of all processors since the machine started.
fn used_cpu(root: &Path, uptime: f64) -> f64 {
    let stat = read(root, "proc/stat").unwrap_or_default();
    let Some(times) = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")) else { return 0.0 };
    let times: Vec<f64> = times.split_whitespace().filter_map(|time| time.parse().ok()).collect();
    let idle: f64 = times.iter().skip(3).take(2).sum();
    let all: f64 = times.iter().take(8).sum();
    if all <= 0.0 || uptime <= 0.0 { 0.0 } else { (all - idle) / all * 100.0 }
}

/// When this process started, after the machine did.
fn started_seconds(root: &Path) -> Option<f64> {
    let stat = read(root, "proc/self/stat")?;
    // The name of the process may hold anything, brackets too; behind its last one, numbers follow.
    let (_, numbers) = stat.rsplit_once(')')?;
    let ticks: f64 = numbers.split_whitespace().nth(19)?.parse().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn disks(root: &Path) -> Vec<Value> {
    let mounts = read(root, "proc/mounts").unwrap_or_default();
    let mut seen = Vec::new();
    let mut disks = Vec::new();
    for mount in mounts.lines() {
        let mut fields = mount.split(' ');
        let (Some(device), Some(place), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if !device.starts_with('/') || seen.contains(&device) || disks.len() == DISKS_MAX {
            continue;
        }
        let Ok(found) = statvfs(place) else { continue };
        seen.push(device);
        disks.push(json!({
            "name": device,
            "available_space": found.f_bavail * found.f_frsize,
            "total_space": found.f_blocks * found.f_frsize,
            "file_system": kind,
            "file_type": "Unknown",
        }));
    }
    disks
}

/// Bytes of a line of `/proc/meminfo`.
fn memory(root: &Path, key: &str) -> Option<u64> {
    let table = read(root, "proc/meminfo")?;
    let line = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn number_of(text: Option<&str>) -> Option<f64> {
    text?.split_whitespace().next()?.parse().ok()
}

fn line(root: &Path, path: &str) -> Option<String> {
    Some(read(root, path)?.lines().next()?.trim().to_owned())
}

fn read(root: &Path, path: &str) -> Option<String> {
    let bytes = fs::read(root.join(path)).ok()?;
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_BYTES_MAX)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_machine_is_read_from_its_files() {
        let root = machine(&[
            ("proc/sys/kernel/ostype", "Linux\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("proc/sys/kernel/arch", "aarch64\n"),
            ("etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n"),
            ("proc/cpuinfo", "processor\t: 0\nflags\t: fpu hypervisor\nprocessor\t: 1\n"),
            ("proc/meminfo", "MemTotal:  2048 kB\nMemAvailable:  512 kB\n"),
            ("proc/uptime", "1000.5 900.0\n"),
            ("proc/self/stat", "1 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 40000 20\n"),
            ("proc/stat", "cpu  10 0 10 70 10 0 0 0 0 0\n"),
            ("proc/mounts", "proc /proc proc rw 0 0\n/dev/none / ext4 rw 0 0\n"),
        ]);
        let facts = facts(root.path());
        for (key, value) in [
            ("osType", json!("Linux")),
            ("kernel_release", json!("6.1.0")),
            ("architecture", json!("aarch64")),
            ("operating_system", json!("debian")),
            ("operating_system_version", json!("12")),
            ("virtualized", json!("yes")),
            ("cpus", json!(2)),
            ("total_memory", json!(2 << 20)),
        ] {
            assert_eq!(facts[key], value, "{key}");
        }
        assert!(!facts.contains_key("product_name"), "what is not told is left out");
        let usage = usage(root.path());
        assert_eq!((&usage["host_uptime"], &usage["process_uptime"]), (&json!(1000), &json!(600)));
        assert_eq!(usage["used_ram"], json!(1536 * 1024));
        assert_eq!(usage["used_cpu"], json!(20.0));
        assert_eq!(usage["disks"].as_array().unwrap().len(), 1);
        assert_eq!(usage["disks"][0]["file_system"], "ext4");
    }

    #[test]
    fn a_machine_that_tells_nothing_is_no_error() {
        let root = machine(&[]);
        assert_eq!(facts(root.path())["virtualized"], "unknown");
        assert_eq!(usage(root.path())["total_ram"], 0);
    }
}
