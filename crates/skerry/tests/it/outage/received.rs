//! What the hub has.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::sender::Sent;
use crate::process::skerry;

/// Waits until the hub has everything, each sender's in its order; how many came more than once.
pub(super) async fn all(sent: &Sent) -> u64 {
    let sent = sent.clone();
    tokio::task::spawn_blocking(move || read(&sent)).await.unwrap()
}

fn read(sent: &Sent) -> u64 {
    let data = PathBuf::from(std::env::var("WORLD").unwrap()).join("data");
    let mut command = skerry();
    command.args(["monitor", "--from", "oldest", "--json", "--data"]).arg(data);
    let mut monitor = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut next: BTreeMap<String, u64> = sent.keys().map(|name| (name.clone(), 0)).collect();
    let mut again = 0;
    for line in BufReader::new(monitor.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["source"] != "Telemetry" {
            continue;
        }
        let device = event["deviceId"].as_str().unwrap();
        let name = match event["moduleId"].as_str() {
            Some(module) => format!("{device}/{module}"),
            None => device.to_owned(),
        };
        let number = match &event["body"] {
            Value::String(text) => text.parse().unwrap(),
            other => other.as_u64().unwrap(),
        };
        let expected = next.get_mut(&name).unwrap();
        assert!(number <= *expected, "{name}: {number} came before {expected}");
        match number == *expected {
            true => *expected += 1,
            false => again += 1,
        }
        if next == *sent {
            break;
        }
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    assert_eq!(next, *sent);
    again
}
