//! Consumer groups from the command line, and the connection string that their readers take.

use std::process::Output;

use serde_json::Value;

use crate::process::{Hub, skerry};

fn run(hub: &Hub, args: &[&str]) -> Output {
    skerry().args(args).arg("--data").arg(hub.data()).output().unwrap()
}

fn said(hub: &Hub, args: &[&str]) -> String {
    let output = run(hub, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(hub: &Hub, args: &[&str], exit: i32, text: &str) {
    let output = run(hub, args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(exit) && told.contains(text), "{:?} {told}", output.status);
}

fn names(hub: &Hub) -> Vec<String> {
    let listed: Value = serde_json::from_str(&said(hub, &["consumer-group", "list", "--json"])).unwrap();
    listed.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn groups_are_made_listed_and_deleted_and_outlive_the_hub() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("hub.toml");
    std::fs::write(&config, "[telemetry]\nconsumer_groups_max = 2\n").unwrap();
    let options = ["--config", config.to_str().unwrap(), "--hostname", "hub1.skerry.test"];
    let hub = Hub::start_in(&data, &options);
    assert_eq!(names(&hub), ["$Default"]);
    said(&hub, &["consumer-group", "create", "line-1"]);
    assert!(said(&hub, &["consumer-group", "list"]).contains("line-1"));
    refused(&hub, &["consumer-group", "create", "line-2"], 1, "no more are allowed");
    refused(&hub, &["consumer-group", "create", "a b"], 1, "ASCII letters");
    refused(&hub, &["consumer-group", "delete", "line-2", "--dry-run"], 3, "no consumer group");
    refused(&hub, &["consumer-group", "delete", "$Default"], 1, "always there");
    said(&hub, &["consumer-group", "delete", "line-1", "--dry-run"]);

    let text = said(&hub, &["hub", "connection-string", "--events", "--policy", "service"]);
    assert!(
        text.starts_with("Endpoint=sb://hub1.skerry.test/;SharedAccessKeyName=service;SharedAccessKey="),
        "{text}"
    );
    assert!(text.trim_end().ends_with(";EntityPath=hub1"), "{text}");
    drop(hub);

    let hub = Hub::start_in(&data, &options);
    assert_eq!(names(&hub), ["$Default", "line-1"]);
    said(&hub, &["consumer-group", "delete", "LINE-1"]);
    assert_eq!(names(&hub), ["$Default"]);
}
