//! A hub and an edge device at a glance, and whether they are ready.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mqtt::{PATIENCE, said};
use crate::process::{HOST, Hub, skerry};

#[track_caller]
fn lines(output: &Output) -> Vec<(String, String)> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let cut = |line: &str| (line[..14].trim().to_owned(), line[14..].to_owned());
    text.lines().map(cut).collect()
}

#[track_caller]
fn line<'a>(lines: &'a [(String, String)], heading: &str) -> &'a str {
    &lines.iter().find(|(known, _)| known == heading).unwrap_or_else(|| panic!("{heading}: {lines:?}")).1
}

#[test]
fn a_hub_is_seen_at_a_glance() {
    let hub = Hub::start();
    said(&hub, &["device", "simulate", "--count", "3", "--rate", "20", "--duration", "1"]);
    let status = said(&hub, &["hub", "status", "--over", "1"]);
    assert_eq!(status["hubName"], "hub1");
    assert!(status["figures"]["mqtt_publishes"].as_u64().unwrap() >= 3, "{status:#}");
    assert!(status["figures"]["disk_free_bytes"].as_u64().unwrap() > 0, "{status:#}");
    assert!(
        status["ratesPerSecond"]["http_requests"].as_f64().unwrap() >= 1.0,
        "it is one itself: {status:#}"
    );
    let latency = &status["latencies"]["message_durable_seconds"];
    assert_eq!(latency["sinceStart"], true, "nobody sends any more: {latency}");
    assert!(latency["count"].as_u64().unwrap() >= 3, "{latency}");
    let names: Vec<&str> = status["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["certificate"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["server", "root"]);

    let shown = lines(&skerry().args(["hub", "status", "--data"]).arg(hub.data()).output().unwrap());
    assert!(line(&shown, "hub").starts_with("hub1 (hub1.skerry.test), version "), "{shown:?}");
    assert!(line(&shown, "connected").starts_with("0 devices and modules; 0 connections"), "{shown:?}");
    assert!(line(&shown, "durable").contains("since the start"), "{shown:?}");
    assert!(line(&shown, "certificates").contains("root expires in"), "{shown:?}");
    assert_eq!(line(&shown, "troubles"), "none");
    hub.stop();
}

#[test]
fn an_edge_device_is_seen_at_a_glance_and_says_when_it_is_ready() {
    let hub = Hub::start();
    let made = said(&hub, &["device", "create", "gate", "--edge"]);
    let key = made["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    let edge = Edge::start(&hub, key);
    let figures = edge.figures();
    assert_eq!(get(figures, "/skerry/v1/live"), (200, json!({"live": true})));
    assert_eq!(get(figures, "/skerry/v1/absent").0, 404);
    // Nobody has said which modules and routes it has.
    let (code, body) = get(figures, "/skerry/v1/ready");
    assert_eq!((code, &body["ready"]), (503, &json!(false)), "{body}");
    let content = json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1", "runtime": {"type": "docker"}, "systemModules": {}, "modules": {},
        }},
        "$edgeHub": {"properties.desired": {
            "schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }},
    }});
    let file = edge.folder.path().join("content.json");
    fs::write(&file, content.to_string()).unwrap();
    said(&hub, &["edge", "set-modules", "--device", "gate", "--content", file.to_str().unwrap()]);
    edge.until("ready", || get(figures, "/skerry/v1/ready") == (200, json!({"ready": true})));

    let status: Value = serde_json::from_slice(&edge.status(&["--json"]).stdout).unwrap();
    assert_eq!((&status["device"], &status["hub"]), (&json!("gate"), &json!(HOST)));
    assert_eq!(status["parts"]["edgeHub"]["ready"], true, "{status:#}");
    assert_eq!(status["ratesPerSecond"]["messages_received"], 0.0);
    edge.until("connected", || {
        let shown = lines(&edge.status(&[]));
        line(&shown, "upstream") == "the agent is connected, the edge hub is connected"
    });
    let shown = lines(&edge.status(&[]));
    assert!(line(&shown, "edge").starts_with("gate of hub1.skerry.test, version "), "{shown:?}");
    assert!(line(&shown, "certificates").starts_with("Edge CA expires in "), "{shown:?}");
    assert_eq!(line(&shown, "backlog"), "none");
    let log = edge.log();
    edge.stop();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(["time", "level", "text", "target"].iter().all(|name| line[name].is_string()), "{line}");
    }

    let gone = skerry().args(["edge", "status", "--sockets", "/nowhere"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("iotedge system status"), "{gone:?}");
    hub.stop();
}

/// Status and body, over plain HTTP.
fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (code, serde_json::from_str(body).unwrap_or_default())
}

struct Edge {
    child: Child,
    folder: TempDir,
}

impl Edge {
    /// Without an engine, and without a door for clients that somebody else may have.
    fn start(hub: &Hub, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let config = format!(
            "hostname = \"gate.plant.test\"\n\
             [provisioning]\nsource = \"manual\"\n\
             connection_string = \"HostName={HOST};DeviceId=gate;SharedAccessKey={key}\"\n\
             [moby_runtime]\nuri = \"unix://{}\"\nnetwork = \"azure-iot-edge\"\n\
             [skerry]\nhub_ca_cert = \"file://{}\"\nhub_address = \"127.0.0.1\"\n\
             hub_mqtt_port = {}\nhub_amqp_port = {}\nhub_https_port = {}\n",
            path("no.sock").display(),
            hub.root_certificate().display(),
            hub.mqtt_address.port(),
            hub.amqp_address.port(),
            hub.address.port(),
        );
        fs::write(path("config.toml"), config).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let mut command = skerry();
        command
            .args(["edge", "run", "--metrics", "127.0.0.1:0", "--log-format", "json", "--config"])
            .arg(path("config.toml"));
        command.arg("--data").arg(path("data")).arg("--sockets").arg(path("run"));
        for variable in ["AZIOT_LOG", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "NOTIFY_SOCKET"] {
            command.env_remove(variable);
        }
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "never {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where it says that its figures are.
    fn figures(&self) -> SocketAddr {
        let told = || {
            let log = self.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let told = lines.find(|line| line["text"] == "The figures are shown at /metrics.")?;
            told["address"].as_str()?.parse().ok()
        };
        self.until("figures", || told().is_some());
        told().unwrap()
    }

    fn status(&self, more: &[&str]) -> Output {
        let mut command = skerry();
        command.args(["edge", "status", "--over", "1", "--sockets"]).arg(self.folder.path().join("run"));
        command.args(more).output().unwrap()
    }

    fn stop(mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Where a test failed before it stopped it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
