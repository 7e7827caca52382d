//! What a hub writes to stderr, for people and for programs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process::Hub;

/// What a hub on `data` writes from its start to its stop.
fn written(data: &Path, options: &[&str]) -> String {
    let hub = Hub::start_in(data, options);
    let path = hub.log_path();
    let kept = data.with_extension("log");
    // The folder goes with the hub; the file stays open until it has ended.
    fs::hard_link(path, &kept).unwrap();
    hub.stop();
    let text = fs::read_to_string(&kept).unwrap();
    fs::remove_file(kept).unwrap();
    text
}

#[test]
fn a_hub_says_little_and_says_it_for_programs_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let lines = written(&data, &[]);
    assert!(lines.lines().count() < 12, "{lines}");
    for line in lines.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z'), "{line}");
        assert!(rest.starts_with("INFO  ") || rest.starts_with("WARN  "), "{line}");
    }
    assert!(lines.ends_with("INFO  The hub has stopped.\n"), "{lines}");

    let lines = written(&data, &["--log-format", "json"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["level"], &last["text"]), (&"info".into(), &"The hub has stopped.".into()));
    assert_eq!(last["target"], "skerry::hub::run");
}
