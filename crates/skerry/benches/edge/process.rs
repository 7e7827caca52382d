//! What the kernel tells of a process.

use std::fs;
use std::time::Duration;

/// Ticks of the clock in which the kernel counts processor time; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Kibibytes of `name` in the sums of the process's memory.
pub(crate) fn memory_kib(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
}

/// What it has computed, with all its threads.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}
