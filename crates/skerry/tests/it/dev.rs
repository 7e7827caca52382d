//! `skerry dev`: what a CI gets from it, and that nothing of it stays.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};
use skerry_mqtt::client::ClientLimits;
use skerry_uplink::{Client, Identity, Place, Proof, TlsOptions};
use tempfile::TempDir;

use crate::mqtt::{PATIENCE, greeting};
use crate::process::{Hub, skerry};

const READY: &str = "# skerry dev ready";
const FREE_PORTS: [&str; 6] = ["--https", "0", "--mqtt", "0", "--amqp", "0"];
const SEED: &str = r#"{"id":"pump-1","moduleId":"filter"}

{"id":"pump-1","importMode":"create","tags":{"site":"oslo"},"properties":{"desired":{"interval":5}}}
{"id":"it's","authentication":{"type":"certificateAuthority"}}
{"id":"pump_1","status":"disabled"}
{"id":"gone"}
{"id":"gone","importMode":"delete"}
"#;

/// A place for temporary files, in which a run leaves nothing, and a seed beside it.
struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp dir")).unwrap();
        fs::write(folder.path().join("seed.jsonl"), SEED).unwrap();
        Self { folder }
    }

    fn temporary(&self) -> std::path::PathBuf {
        self.folder.path().join("tmp dir")
    }

    fn dev(&self, options: &[&str]) -> Command {
        let mut command = skerry();
        command.arg("dev").args(FREE_PORTS).args(options).current_dir(self.folder.path());
        command.env("TMPDIR", self.temporary()).env("SKERRY", env!("CARGO_BIN_EXE_skerry"));
        command.env_remove("NODE_EXTRA_CA_CERTS");
        command
    }

    fn run(&self, options: &[&str]) -> Output {
        self.dev(options).output().unwrap()
    }

    fn start(&self, options: &[&str]) -> Running {
        let mut child = self.dev(options).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    #[track_caller]
    fn is_empty(&self) {
        let left: Vec<_> = fs::read_dir(self.temporary()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn line(&mut self) -> String {
        self.lines.next().expect("the hub says more").unwrap()
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// The lines of the environment, without the one that says that they are all there.
    fn environment(&mut self) -> String {
        let mut text = String::new();
        loop {
            let line = self.line();
            if line == READY {
                return text;
            }
            text += &(line + "\n");
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Ends it with the signal, and gives its exit code.
    fn stop(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[track_caller]
fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32, says: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && err.contains(says), "{:?}: {err}", output.status);
}

#[test]
fn a_command_finds_the_hub_and_its_devices_and_its_exit_code_is_passed_on() {
    let place = Room::new();
    let script = r#"
        set -e
        "$SKERRY" twin show pump-1 --json
        "$SKERRY" device connection-string pump-1 --module filter >strings
        echo "$IOTHUB_DEVICE_CONNECTION_STRING_PUMP_1__FILTER" >>strings
        "$SKERRY" device simulate --count 2 --duration 1 --rate 5 >/dev/null
        exit 7
    "#;
    let output = place.run(&["--seed", "seed.jsonl", "--", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let twin: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(twin["tags"], json!({"site": "oslo"}));
    assert_eq!(twin["properties"]["desired"]["interval"], 5);
    let strings = fs::read_to_string(place.folder.path().join("strings")).unwrap();
    let strings: Vec<&str> = strings.lines().collect();
    assert_eq!(strings[0], strings[1]);
    place.is_empty();

    let killed = place.run(&["--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.status.code(), Some(128 + 9));
    failed(&place.run(&["--", "/nowhere/at/all"]), 1, "cannot run /nowhere/at/all");
    place.is_empty();
}

#[test]
fn a_command_is_told_to_stop_and_waited_for() {
    let place = Room::new();
    let script = "trap 'exit 42' TERM; echo up; while :; do sleep 0.05; done";
    let mut running = place.start(&["--", "sh", "-c", script]);
    assert_eq!(running.line(), "up");
    assert_eq!(running.stop("TERM"), Some(42));
    place.is_empty();
}

#[test]
fn a_second_signal_ends_a_command_that_does_not_listen() {
    let place = Room::new();
    let script = "trap 'echo heard' TERM; echo up; while :; do sleep 0.05; done";
    let mut running = place.start(&["--", "sh", "-c", script]);
    assert_eq!(running.line(), "up");
    running.signal("TERM");
    assert_eq!(running.line(), "heard");
    assert_eq!(running.stop("TERM"), Some(128 + 9));
    place.is_empty();
}

#[test]
fn lines_are_what_a_shell_reads_and_say_the_same_as_the_json() {
    let place = Room::new();
    let options = ["--seed", "seed.jsonl", "--deterministic", "a text"];
    let mut running = place.start(&options);
    fs::write(place.folder.path().join("hub.env"), running.environment()).unwrap();
    let shell = Command::new("sh")
        .args(["-c", "set -a; . ./hub.env; env -0"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(place.folder.path())
        .output()
        .unwrap();
    let read: BTreeMap<String, String> = text(&shell)
        .split_terminator('\0')
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| {
            ["IOTHUB_", "EVENTHUB_", "SKERRY_", "NODE_"].iter().any(|of| name.starts_with(of))
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(read["IOTHUB_DEVICE_CONNECTION_STRING_IT_S"], "HostName=localhost;DeviceId=it's;x509=true");
    assert!(read["EVENTHUB_CONNECTION_STRING"].ends_with(";EntityPath=localhost"), "{read:?}");
    assert!(Path::new(&read["SKERRY_CA"]).exists());
    assert_eq!(read["SKERRY_CA"], read["NODE_EXTRA_CA_CERTS"]);

    // Another one beside it.
    let mut other = place.start(&[&options[..], &["--json"]].concat());
    let said = other.json();
    let ids: Vec<(&Value, &Value)> = said["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| (&device["deviceId"], &device["moduleId"]))
        .collect();
    let expected = [
        ("pump-1", json!("filter")),
        ("pump-1", json!(null)),
        ("it's", json!(null)),
        ("pump_1", json!(null)),
    ];
    assert_eq!(ids.len(), expected.len(), "{said}");
    for (found, (device, module)) in ids.iter().zip(&expected) {
        assert_eq!((found.0.as_str(), found.1), (Some(*device), module));
    }
    assert_eq!(said["policies"]["service"], said["variables"]["IOTHUB_SERVICE_CONNECTION_STRING"]);
    let variables = said["variables"].as_object().unwrap();
    assert_eq!(variables.len(), read.len());
    for (name, value) in &read {
        let is_of_this_run = name.starts_with("SKERRY_") || name.starts_with("NODE_");
        assert_eq!(variables[name] == **value, !is_of_this_run, "{name}: {value} and {}", variables[name]);
    }
    assert_eq!(running.stop("TERM"), Some(0));
    assert_eq!(other.stop("INT"), Some(0));
    place.is_empty();
}

#[test]
fn keys_are_the_same_for_a_text_and_new_without_one() {
    let place = Room::new();
    let strings = |options: &[&str]| {
        let options = [options, &["--json", "--seed", "seed.jsonl"]].concat();
        let mut running = place.start(&options);
        let said = running.json();
        assert_eq!(running.stop("TERM"), Some(0));
        json!([said["policies"], said["events"], said["devices"]])
    };
    let (known, again) = (strings(&["--deterministic"]), strings(&["--deterministic"]));
    assert_eq!(known, again);
    for options in [&["--deterministic", "other"][..], &[]] {
        let other = strings(options);
        for part in ["/0/iothubowner", "/0/device", "/1", "/2/0/connectionString"] {
            assert_ne!(known.pointer(part).unwrap(), other.pointer(part).unwrap(), "{options:?}");
        }
    }
    // Whatever else is in the seed.
    let of = |said: &Value| {
        let devices = said[2].as_array().unwrap().clone();
        devices.into_iter().find(|device| device["deviceId"] == "pump_1").unwrap()
    };
    fs::write(place.folder.path().join("seed.jsonl"), "{\"id\":\"more\"}\n{\"id\":\"pump_1\"}\n").unwrap();
    assert_eq!(of(&strings(&["--deterministic"])), of(&known));
}

#[test]
fn a_seed_that_cannot_be_used_is_told_by_its_line_and_nothing_starts() {
    let place = Room::new();
    for (seed, says) in [
        ("{\"id\":\"a\"}\n{\"id\":", "seed.jsonl:2: "),
        ("\n{\"id\":\"a b\"}", "seed.jsonl:2: "),
        (
            "{\"id\":\"a\"}\n{\"id\":\"a\",\"importMode\":\"make\"}",
            "seed.jsonl:2: \"make\" is not an import mode",
        ),
        (
            "{\"id\":\"a\",\"importMode\":\"create\"}\n{\"id\":\"a\",\"importMode\":\"create\"}",
            "seed.jsonl:2: ",
        ),
        ("{\"id\":\"a\",\"moduleId\":\"m\"}", "seed.jsonl:1: "),
        ("[1]", "seed.jsonl:1: "),
    ] {
        fs::write(place.folder.path().join("seed.jsonl"), seed).unwrap();
        let output = place.run(&["--seed", "seed.jsonl", "--", "echo", "started"]);
        failed(&output, 2, says);
        assert!(output.stdout.is_empty(), "{seed}");
    }
    failed(&place.run(&["--seed", "absent.jsonl", "--", "true"]), 2, "cannot read the seed absent.jsonl");
    place.is_empty();
}

#[test]
fn a_taken_port_is_named_and_nothing_starts() {
    let place = Room::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = skerry();
    command.args(["dev", "--https", "0", "--mqtt", &port, "--amqp", "off", "--", "echo", "started"]);
    let output = command.env("TMPDIR", place.temporary()).output().unwrap();
    failed(&output, 1, &format!("cannot listen on localhost:{port}: another program uses the port"));
    assert!(output.stdout.is_empty());
    place.is_empty();
    failed(&place.run(&["--hostname", "a b", "--", "true"]), 2, "cannot be a host name");
    let nowhere = place.dev(&["--", "true"]).env("TMPDIR", "/nowhere/at/all").output().unwrap();
    failed(&nowhere, 1, "TMPDIR");
}

/// The device or module of a seed, and where it connects.
fn client_of(said: &Value, at: usize) -> (Place, Identity) {
    let device = &said["devices"][at];
    let string = device["connectionString"].as_str().unwrap();
    let (_, key) = string.split_once("SharedAccessKey=").unwrap();
    let identity = Identity {
        host: "localhost".to_owned(),
        device: device["deviceId"].as_str().unwrap().parse().unwrap(),
        module: device["moduleId"].as_str().map(|module| module.parse().unwrap()),
        proof: Proof::Key(key.parse().unwrap()),
    };
    let root = fs::read(said["ca"].as_str().unwrap()).unwrap();
    assert_eq!(said["caPem"].as_str().unwrap().as_bytes(), root);
    let tls = TlsOptions { roots: &root, certificate: None, resumption: false }.build().unwrap();
    let place = Place {
        address: said["addresses"]["mqtt"].as_str().unwrap().parse().unwrap(),
        tls: Some(("localhost".to_owned().try_into().unwrap(), tls)),
        websocket: None,
        relay: None,
        connect_timeout: PATIENCE,
    };
    (place, identity)
}

async fn connect((place, identity): &(Place, Identity)) -> Result<Client<()>, skerry_uplink::Error> {
    Client::connect(place, greeting(identity, true), ClientLimits::default()).await
}

/// The client hears of the end of its connection, and of nothing else.
async fn is_gone(mut client: Client<()>) {
    let event = tokio::time::timeout(PATIENCE, client.event()).await.expect("the connection ends");
    assert!(event.is_err(), "{event:?}");
}

#[tokio::test]
async fn a_device_is_disconnected_dropped_throttled_and_refused_by_command() {
    let place = Room::new();
    let mut running = place.start(&["--seed", "seed.jsonl", "--json"]);
    let said = running.json();
    let fault = |arguments: &[&str]| {
        let mut command = skerry();
        command.args(["dev", "fault"]).args(arguments).arg("--data").arg(said["data"].as_str().unwrap());
        command.output().unwrap()
    };
    let (module, device) = (client_of(&said, 0), client_of(&said, 1));
    failed(&fault(&["disconnect", "pump-1"]), 3, "pump-1 is not connected");
    failed(&fault(&["disconnect", "pump-7"]), 3, "pump-7");
    for how in ["disconnect", "drop"] {
        let (client, beside) = (connect(&device).await.unwrap(), connect(&module).await.unwrap());
        let answer: Value = serde_json::from_str(&text(&fault(&[how, "pump-1", "--json"]))).unwrap();
        assert_eq!(answer, json!({"connections": 1}));
        is_gone(client).await;
        text(&fault(&[how, "pump-1", "--module", "filter"]));
        is_gone(beside).await;
    }
    failed(&fault(&["delay", "pump-7", "--by", "1", "--for", "1"]), 3, "pump-7");
    text(&fault(&["delay", "pump-1", "--by", "1", "--for", "1"]));
    let client = connect(&device).await.unwrap();
    text(&fault(&["throttle", "pump-1", "--for", "3600"]));
    is_gone(client).await;
    assert!(connect(&device).await.is_err());
    // It holds for those too who are not there.
    let beside = connect(&module).await.unwrap();
    drop(beside);
    text(&fault(&["refuse", "pump-1", "--module", "filter", "--for", "3600"]));
    assert!(connect(&module).await.is_err());
    failed(&fault(&["refuse", "pump-1"]), 2, "--for");
    assert_eq!(running.stop("TERM"), Some(0));
    place.is_empty();
}

#[test]
fn a_hub_in_earnest_does_not_break_connections() {
    let hub = Hub::start();
    let mut create = skerry();
    text(&create.args(["device", "create", "d1", "--data"]).arg(hub.data()).output().unwrap());
    let mut fault = skerry();
    fault.args(["dev", "fault", "disconnect", "d1", "--data"]).arg(hub.data());
    failed(&fault.output().unwrap(), 1, "--fault-injection");
    hub.stop();
}

#[test]
fn an_edge_that_cannot_be_says_what_to_do() {
    let room = Room::new();
    let content = room.folder.path().join("content.json");
    fs::write(&content, r#"{"modulesContent": {"filter": {"limit": 1}}}"#).unwrap();
    let content = content.to_str().unwrap();
    // An address for documents, which is no machine's own.
    let elsewhere = "192.0.2.1";
    for (options, code, says) in [
        (vec!["--edge", "--edge-address", elsewhere], 1, "192.0.2.1:8883"),
        (vec!["--edge", "--edge-address", elsewhere], 1, "another address with --edge-address IP"),
        (vec!["--edge", "--edge-content", content], 2, "use \"properties.desired\""),
        (vec!["--edge", "--edge-content", "/nowhere.json"], 2, "/nowhere.json"),
        (vec!["--edge-content", content], 2, "--edge"),
    ] {
        let ran = room.run(&[options.as_slice(), &["--", "true"]].concat());
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{options:?}: {said}");
        assert!(said.contains(says), "{options:?}: {said}");
        room.is_empty();
    }
}

#[test]
fn an_edge_is_not_taken_for_a_hub_that_listens_everywhere() {
    let room = Room::new();
    let mut world = Command::new("unshare");
    world.args(["--user", "--map-root-user", "--net", "sh", "-c"]).arg(
        "ip link set lo up && exec \"$SKERRY\" dev --https 0 --amqp 0 --mqtt 0.0.0.0:8883 --edge -- true",
    );
    world.env("SKERRY", env!("CARGO_BIN_EXE_skerry")).env("TMPDIR", room.temporary());
    let ran = world.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot listen on 127.0.0.2:8883"), "{said}");
    room.is_empty();
}
