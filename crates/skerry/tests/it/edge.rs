//! Edge devices from the command line: modules set and shown, parents and children.

use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::process::{Hub, skerry};

fn run(hub: &Hub, args: &[&str], input: Option<&str>) -> Output {
    let mut command = skerry();
    command.args(args).arg("--data").arg(hub.data());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a command says on stdout and stderr, when it goes well.
#[track_caller]
fn ok(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    (out, err)
}

#[track_caller]
fn json_of(output: &Output) -> Value {
    serde_json::from_str(&ok(output).0).unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32, says: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), b"".as_slice()), "{err}");
    assert!(err.contains(says), "{err:?} does not say {says:?}");
}

fn manifest(image: &str, password: &str) -> Value {
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {"registryCredentials": {"r": {"password": password}}}},
            "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "agent:1.5"}}},
            "modules": {"sensor": {"type": "docker", "status": "running", "settings": {"image": image}}},
        }},
        "sensor": {"properties.desired": {"interval": 5}},
    }})
}

#[test]
fn modules_are_set_and_shown() {
    let hub = Hub::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &Value| {
        let path = folder.path().join(name);
        fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    ok(&run(&hub, &["device", "create", "gate", "--edge"], None));
    ok(&run(&hub, &["device", "create", "plain"], None));
    let first = file("first.json", &manifest("sensor:1", "old"));
    let set = |device: &str, content: &str, more: &[&str]| {
        let args = ["edge", "set-modules", "--device", device, "--content", content];
        run(&hub, &[&args, more].concat(), None)
    };

    let planned = json_of(&set("gate", &first, &["--dry-run", "--json"]));
    let made = planned.as_array().unwrap().iter().find(|change| change["change"] == "make").unwrap();
    assert_eq!(made["of"], "sensor");
    let (table, _) = ok(&set("gate", &first, &["--dry-run"]));
    assert!(table.starts_with("OF"), "{table}");
    assert!(!table.contains("\"old\""), "passwords stay off the screen: {table}");
    let shown = json_of(&run(&hub, &["edge", "show-modules", "gate", "--json"], None));
    assert_eq!(shown["modules"].as_array().unwrap().len(), 2, "a dry run changes nothing: {shown}");

    let (table, said) = ok(&set("gate", &first, &[]));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            vec!["MODULE", "IMAGE", "WANTED", "REPORTED", "CONNECTION"],
            vec!["$edgeAgent", "agent:1.5", "-", "-", "Disconnected"],
            vec!["$edgeHub", "-", "-", "-", "Disconnected"],
            vec!["sensor", "sensor:1", "running", "-", "Disconnected"],
        ]
    );
    assert!(said.contains("Desired version 2; the agent has reported none yet."), "{said}");
    let twin = json_of(&run(&hub, &["twin", "show", "gate", "--module", "sensor"], None));
    assert_eq!(twin["properties"]["desired"]["interval"], 5);
    let (out, said) = ok(&set("gate", &first, &["--dry-run"]));
    assert_eq!((out.as_str(), said.as_str()), ("", "Every place has what the content says.\n"));

    let second = file("second.json", &json!({"id": "x", "content": manifest("sensor:2", "new")}));
    let (table, _) = ok(&set("gate", &second, &["--dry-run"]));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            vec!["OF", "CHANGE", "PLACE", "FROM", "TO"],
            vec![
                "$edgeAgent",
                "change",
                "runtime.settings.registryCredentials.r.password",
                "\"***\"",
                "\"***\""
            ],
            vec!["$edgeAgent", "change", "modules.sensor.settings.image", "\"sensor:1\"", "\"sensor:2\""],
        ]
    );
    let layer = json!({"modulesContent": {"sensor": {"properties.desired.limits": {"high": 5}}}}).to_string();
    let args = ["edge", "set-modules", "--device", "gate", "--content", "-", "--json"];
    let shown = json_of(&run(&hub, &args, Some(&layer)));
    assert_eq!(shown["desiredVersion"], 2, "the agent is not told of what is not its own: {shown}");
    let twin = json_of(&run(&hub, &["twin", "show", "gate", "--module", "sensor"], None));
    assert_eq!(twin["properties"]["desired"]["interval"], 5);
    assert_eq!(twin["properties"]["desired"]["limits"], json!({"high": 5}));

    failed(&set("plain", &first, &[]), 1, "not an Azure IoT Edge device");
    failed(&set("plain", &first, &["--dry-run"]), 2, "skerry device update plain --edge");
    failed(&set("absent", &first, &["--dry-run"]), 3, "absent is not registered");
    let typo = file("typo.json", &json!({"modulesContent": {"m1": {"properties.desire": {}}}}));
    failed(&set("gate", &typo, &[]), 2, "m1 holds \"properties.desire\"");
    failed(&set("gate", "/nowhere.json", &[]), 2, "/nowhere.json");
    hub.stop();
}

#[test]
fn parents_and_children_are_named() {
    let hub = Hub::start();
    for (id, edge) in [("top", "--edge"), ("mid's", "--edge"), ("leaf", "--edge=false")] {
        ok(&run(&hub, &["device", "create", id, edge], None));
    }
    let parent = |args: &[&str]| run(&hub, &[&["edge", "parent"], args].concat(), None);
    let children = |id: &str| {
        let list = json_of(&run(&hub, &["edge", "children", id, "--json"], None));
        let ids = list.as_array().unwrap().iter().map(|one| one["deviceId"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ok(&parent(&["leaf"])), (String::new(), "leaf is behind no edge device.\n".to_owned()));
    assert_eq!(ok(&parent(&["leaf", "--set", "mid's"])).0, "mid's\n");
    assert_eq!(ok(&parent(&["mid's", "--set", "top"])).0, "top\n");
    assert_eq!(json_of(&parent(&["leaf", "--json"]))["parent"], "mid's");
    assert_eq!((children("top"), children("mid's")), (vec!["mid's".to_owned()], vec!["leaf".to_owned()]));
    let (table, _) = ok(&run(&hub, &["edge", "children", "top"], None));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["mid's", "enabled", "Disconnected", "true"]);
    failed(&parent(&["top", "--set", "mid's"]), 1, "is behind the device itself");
    failed(&parent(&["leaf", "--set", "leaf"]), 2, "not an edge device");
    failed(&parent(&["leaf", "--set", "top", "--none"]), 2, "--none");
    failed(&run(&hub, &["edge", "children", "leaf"], None), 2, "not an edge device");
    ok(&parent(&["leaf", "--none"]));
    assert!(children("mid's").is_empty());
    hub.stop();
}
