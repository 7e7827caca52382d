//! What is in a support bundle besides the containers: how the checks ended, and what the journal holds.

use std::process::{Command, Stdio};

use skerry_edge_daemon::{BundleQuery, Files, Witness};
use tokio::task::spawn_blocking;

use super::check;
use crate::edge::Directories;

/// Units whose journal goes in, and under which name. The identity services are the daemon's.
const UNITS: [(&str, &str); 2] = [("aziot-edged", "logs/aziot-edged"), ("docker", "logs/docker")];
/// Of one unit; what was written first is left out.
const JOURNAL_BYTES_MAX: usize = 16 << 20;

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
            let report = check::report(self.directories.clone(), query.hub.clone()).await;
            let report = serde_json::to_vec_pretty(&report).expect("JSON values are JSON");
            let mut files = vec![("check.json".to_owned(), report)];
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
    let ran = Command::new("journalctl").args(arguments).stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("journalctl does not run: {error}"))?;
    if !ran.status.success() {
        return Err(format!("journalctl: {}", String::from_utf8_lossy(&ran.stderr).trim()));
    }
    let mut text = ran.stdout;
    let beyond = text.len().saturating_sub(JOURNAL_BYTES_MAX);
    text.drain(..beyond);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use skerry_model::Timestamp;

    use super::*;

    #[test]
    fn the_journal_is_asked_as_the_original_asks() {
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        let query = BundleQuery { since: at(100), until: at(200), ..BundleQuery::default() };
        assert_eq!(arguments("docker", &query).join(" "), "-a -u docker -S @100 -U @200 --no-pager");
        assert_eq!(arguments("docker", &BundleQuery::default()).join(" "), "-a -u docker --no-pager");
    }
}
