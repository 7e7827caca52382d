//! What machine and modules use.

use serde_json::Value;
use skerry_runtime::Answer;

/// Figures of the machine, as the daemon knows them.
pub trait HostSource: Send + Sync {
    fn figures(&self) -> Answer<'_, HostFigures, HostError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the machine's figures cannot be read: {reason}")]
pub struct HostError {
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFigures {
    pub uptime_seconds: f64,
    pub daemon_uptime_seconds: f64,
    pub cpu_percent: f64,
    pub memory_used_bytes: u64,
    pub memory_bytes: u64,
    pub disks: Vec<Disk>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    pub name: String,
    pub file_system: String,
    pub file_type: String,
    pub available_bytes: u64,
    pub bytes: u64,
}

/// What one container uses, out of the engine's own document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    pub pids: u64,
    pub network_in_bytes: u64,
    pub network_out_bytes: u64,
    pub disk_read_bytes: u64,
    pub disk_write_bytes: u64,
    /// Of one processor, since the moment before; absent where the engine has no such moment.
    pub cpu_percent: Option<f64>,
}

impl Usage {
    pub fn read(stats: &Value) -> Self {
        let number = |path: &str| stats.pointer(path).and_then(Value::as_u64);
        // What the kernel keeps of files, and gives back when somebody needs room.
        let cache = [
            "/memory_stats/stats/inactive_file",
            "/memory_stats/stats/total_inactive_file",
            "/memory_stats/stats/cache",
        ]
        .iter()
        .find_map(|path| number(path));
        let networks = |key: &str| -> u64 {
            let networks = stats.get("networks").and_then(Value::as_object).into_iter().flatten();
            networks.filter_map(|(_, network)| network.get(key)?.as_u64()).sum()
        };
        let disks = |operation: &str| -> u64 {
            let entries = stats.pointer("/blkio_stats/io_service_bytes_recursive").and_then(Value::as_array);
            let entries = entries.into_iter().flatten();
            let same = |entry: &&Value| {
                entry.get("op").and_then(Value::as_str).is_some_and(|op| op.eq_ignore_ascii_case(operation))
            };
            entries.filter(same).filter_map(|entry| entry.get("value")?.as_u64()).sum()
        };
        Self {
            memory_bytes: number("/memory_stats/usage").unwrap_or(0).saturating_sub(cache.unwrap_or(0)),
            memory_limit_bytes: number("/memory_stats/limit").unwrap_or(0),
            pids: number("/pids_stats/current").unwrap_or(0),
            network_in_bytes: networks("rx_bytes"),
            network_out_bytes: networks("tx_bytes"),
            disk_read_bytes: disks("read"),
            disk_write_bytes: disks("write"),
            cpu_percent: cpu(stats),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a percentage needs no more")]
fn cpu(stats: &Value) -> Option<f64> {
    let difference = |path: &str| {
        let now = stats.pointer(&format!("/cpu_stats/{path}"))?.as_u64()?;
        let before = stats.pointer(&format!("/precpu_stats/{path}"))?.as_u64()?;
        now.checked_sub(before).map(|difference| difference as f64)
    };
    let (used, passed) = (difference("cpu_usage/total_usage")?, difference("system_cpu_usage")?);
    (passed > 0.0).then_some(used / passed * 100.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_engines_document_is_read() {
        let stats = json!({
            "memory_stats": {"usage": 100, "limit": 1000, "stats": {"total_inactive_file": 30, "cache": 90}},
            "pids_stats": {"current": 4},
            "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"op": "Read", "value": 5}, {"op": "write", "value": 6}, {"op": "Total", "value": 11}
            ]},
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000},
            "precpu_stats": {"cpu_usage": {"total_usage": 200}, "system_cpu_usage": 1000}
        });
        let expected = Usage {
            memory_bytes: 70,
            memory_limit_bytes: 1000,
            pids: 4,
            network_in_bytes: 11,
            network_out_bytes: 22,
            disk_read_bytes: 5,
            disk_write_bytes: 6,
            cpu_percent: Some(10.0),
        };
        assert_eq!(Usage::read(&stats), expected);
        assert_eq!(Usage::read(&json!({})), Usage::default());
    }
}
