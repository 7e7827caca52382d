//! A server's processes: one, or a tree of them, with what they compute, write and hold.

use std::collections::HashMap;
use std::fs;
use std::process::Child;
use std::time::Duration;

use super::meter::processor_time_of;
use super::signal;

/// Ends all of them, by their numbers, when it goes.
pub(crate) struct Tree {
    root: Child,
}

/// What they had used at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) processor: Duration,
    /// Bytes that the system books as written on them: whole pages for each that was touched.
    pub(crate) written: u64,
}

impl Tree {
    pub(crate) fn new(root: Child) -> Self {
        Self { root }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.root.try_wait(), Ok(None))
    }

    /// The number of the first of them.
    pub(crate) fn root(&self) -> u32 {
        self.root.id()
    }

    fn processes(&self) -> Vec<u32> {
        processes_of(self.root())
    }

    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for process in self.processes() {
            usage.processor += processor_time_of(&process.to_string()).unwrap_or_default();
            usage.written += number(&format!("/proc/{process}/io"), "write_bytes:").unwrap_or_default();
        }
        usage
    }

    /// Bytes in memory that are theirs.
    pub(crate) fn memory(&self) -> u64 {
        let of = |process| number(&format!("/proc/{process}/status"), "VmRSS:").unwrap_or_default() * 1024;
        self.processes().into_iter().map(of).sum()
    }

    /// The same, with what they share with others counted in parts.
    pub(crate) fn proportional_memory(&self) -> u64 {
        proportional_memory_of(self.root())
    }
}

/// Of a tree that is known by its root, for who has no more of it.
pub(crate) fn proportional_memory_of(root: u32) -> u64 {
    let of = |process| number(&format!("/proc/{process}/smaps_rollup"), "Pss:").unwrap_or_default() * 1024;
    processes_of(root).into_iter().map(of).sum()
}

/// The root and all that descend from it.
fn processes_of(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent_of(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(process) = found.get(at) {
        found.extend(children.remove(process).unwrap_or_default());
        at += 1;
    }
    found
}

fn parent_of(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn number(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The children first: without their parent they could not be found any more.
        for process in self.processes().into_iter().skip(1).rev() {
            drop(signal::send("KILL", process));
        }
        drop(self.root.kill());
        drop(self.root.wait());
    }
}
