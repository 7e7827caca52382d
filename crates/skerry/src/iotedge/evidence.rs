//! What is in a support bundle besides the containers: how the checks ended, and what the journal holds.

use std::io::Read;
use std::process::{Command, Stdio};

use skerry_edge_daemon::{BundleQuery, Files, Witness};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::check;
use crate::edge::Directories;

/// Units whose journal goes in, and under which name. The identity services are the daemon's.
const UNITS: [(&str, &str); 2] = [("aziot-edged", "logs/aziot-edged"), ("docker", "logs/docker")];
/// Of one unit; what was written first is left out.
const JOURNAL_BYTES_MAX: usize = 16 << 20;
const PIECE_BYTES: usize = 64 << 10;

pub struct Evidence {
    directories: Directories,
}

impl Evidence {
    pub fn new(directories: Directories) -> Self {
        Self { directories }
    }
}

impl Witness for Evidence {
    fn files<'a>(&'a self, query: &'a BundleQuery) -> Files<'a> {
        Box::pin(async move {
            let mut files = Vec::new();
            let (directories, hub) = (self.directories.clone(), query.hub.clone());
            // It reads files and waits for programs, which must hold up nobody in the daemon.
            let runtime = Handle::current();
            let looked = spawn_blocking(move || runtime.block_on(check::report(directories, hub))).await;
            if let Ok(report) = looked {
                let report = serde_json::to_vec_pretty(&report).expect("JSON values are JSON");
                files.push(("check.json".to_owned(), report));
            }
            for (unit, name) in UNITS {
                let arguments = arguments(unit, query);
                let read = spawn_blocking(move || journal(&arguments)).await;
                files.push(match read.unwrap_or_else(|_| Err("reading it broke off".to_owned())) {
                    Ok(text) => (format!("{name}.txt"), text),
                    Err(reason) => (format!("{name}_err.txt"), reason.into_bytes()),
                });
            }
            files
        })
    }
}

fn arguments(unit: &str, query: &BundleQuery) -> Vec<String> {
    let mut arguments = vec!["-a".to_owned(), "-u".to_owned(), unit.to_owned()];
    for (name, moment) in [("-S", query.since), ("-U", query.until)] {
        if let Some(moment) = moment {
            arguments.extend([name.to_owned(), format!("@{}", moment.unix_seconds())]);
        }
    }
    arguments.push("--no-pager".to_owned());
    arguments
}

fn journal(arguments: &[String]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("journalctl");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().map_err(|error| format!("journalctl does not run: {error}"))?;
    let out = running.stdout.take().expect("it was asked for");
    let read = last_of(out, JOURNAL_BYTES_MAX);
    // Whatever was read, it has to be waited for.
    let ended = running.wait().map_err(|error| format!("journalctl: {error}"))?;
    match (read, ended.success()) {
        (Ok(text), true) => Ok(text),
        (Ok(_), false) => Err(format!("journalctl ends with {ended}")),
        (Err(error), _) => Err(format!("journalctl: {error}")),
    }
}

/// The end of what comes, which may be much longer.
fn last_of(mut from: impl Read, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let (mut text, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
    loop {
        let count = from.read(&mut piece)?;
        text.extend_from_slice(&piece[..count]);
        // Twice the bound before anything moves, so that a byte moves once.
        if count == 0 || text.len() > 2 * bytes_max {
            let beyond = text.len().saturating_sub(bytes_max);
            text.drain(..beyond);
        }
        if count == 0 {
            return Ok(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use skerry_model::Timestamp;

    use super::*;

    #[test]
    fn only_the_end_of_a_long_journal_is_kept() {
        let all: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        for bytes_max in [1, 1000, PIECE_BYTES, 300_000, all.len(), 2 * all.len()] {
            let kept = last_of(all.as_slice(), bytes_max).unwrap();
            assert_eq!(kept, all[all.len().saturating_sub(bytes_max)..], "{bytes_max}");
        }
    }

    #[test]
    fn the_journal_is_asked_as_the_original_asks() {
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        let query = BundleQuery { since: at(100), until: at(200), ..BundleQuery::default() };
        assert_eq!(arguments("docker", &query).join(" "), "-a -u docker -S @100 -U @200 --no-pager");
        assert_eq!(arguments("docker", &BundleQuery::default()).join(" "), "-a -u docker --no-pager");
    }
}
