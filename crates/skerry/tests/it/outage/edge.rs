//! The edge's process, its hub's commands, and who is behind it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use skerry_edge_agent::link::Upstream;
use skerry_tokens::SharedKey;
use skerry_uplink::{Identity, Place, Proof};
use tempfile::TempDir;

use crate::process::skerry;
use crate::world::HOST;

const NAME: &str = "edge1.plant.test";
const ADDRESS: &str = "127.0.0.2";
pub(super) const RELAY_PORT: u16 = 18883;
const DEVICE: &str = "gate";
const LEAVES: [&str; 3] = ["leaf1", "leaf2", "leaf3"];
const MODULE: &str = "sensor";
const TRIES: usize = 300;

pub(super) struct Edge {
    folder: TempDir,
    process: Option<Child>,
    /// Of its environment.
    variables: Vec<(&'static str, PathBuf)>,
    pub(super) identities: Vec<Identity>,
}

/// Bytes.
pub(super) struct Memory {
    /// With what it shares with others counted in parts.
    pub(super) share: u64,
    pub(super) all: u64,
    /// In no file: heaps and stacks.
    pub(super) own: u64,
}

/// A command of the script that keeps the hub.
pub(super) fn hub(command: &str) {
    let script = std::env::var("SKERRY_TEST_HUB").unwrap();
    assert!(Command::new("sh").args([&script, command]).status().unwrap().success(), "{command}");
}

/// A command on the hub; what it prints.
pub(super) fn on_hub(arguments: &[&str]) -> String {
    let data = PathBuf::from(std::env::var("WORLD").unwrap()).join("data");
    let output = skerry().args(arguments).arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn identity(device: &str, module: Option<&str>, made: &str) -> Identity {
    let made: Value = serde_json::from_str(made).unwrap();
    let key = made["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    Identity {
        host: HOST.to_owned(),
        device: device.parse().unwrap(),
        module: module.map(|module| module.parse().unwrap()),
        proof: Proof::Key(key.parse::<SharedKey>().unwrap()),
    }
}

impl Edge {
    /// Registered and configured, with a module and devices behind it.
    pub(super) fn new(upstream: Upstream) -> Self {
        let folder = tempfile::tempdir().unwrap();
        on_hub(&["device", "create", DEVICE, "--edge"]);
        let content = json!({"modulesContent": {
            "$edgeAgent": {"properties.desired": {
                "schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {}}, "systemModules": {}, "modules": {},
            }},
            "$edgeHub": {"properties.desired": {
                "schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
                "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
            }},
        }});
        let file = folder.path().join("content.json");
        fs::write(&file, content.to_string()).unwrap();
        on_hub(&["edge", "set-modules", "--device", DEVICE, "--content", file.to_str().unwrap()]);
        let mut identities: Vec<Identity> = LEAVES
            .iter()
            .map(|leaf| {
                identity(leaf, None, &on_hub(&["device", "create", leaf, "--parent", DEVICE, "--json"]))
            })
            .collect();
        let module = on_hub(&["module", "create", DEVICE, MODULE, "--json"]);
        identities.push(identity(DEVICE, Some(MODULE), &module));
        let edge = Self { folder, process: None, variables: Vec::new(), identities };
        let string = on_hub(&["device", "connection-string", DEVICE]);
        let (path, root) = (edge.path("config.toml"), std::env::var("SKERRY_TEST_CA").unwrap());
        let config = format!(
            "hostname = \"{NAME}\"\n\
             [provisioning]\nsource = \"manual\"\nconnection_string = \"{}\"\n\
             [agent]\nname = \"edgeAgent\"\ntype = \"docker\"\n[agent.config]\nimage = \"agent:1\"\n\
             [agent.env]\nUpstreamProtocol = \"{upstream:?}\"\n\
             [moby_runtime]\nuri = \"unix://{}\"\nnetwork = \"azure-iot-edge\"\n\
             [skerry]\nhub_ca_cert = \"file://{root}\"\nedge_hub_listen = [\"{ADDRESS}\"]\n\
             hub_mqtt_port = {RELAY_PORT}\nhub_amqp_port = {RELAY_PORT}\n",
            string.trim(),
            edge.path("no-engine.sock").display(),
        );
        fs::write(&path, config).unwrap();
        let applied = edge.command(&["iotedge"]).args(["config", "apply", "-c"]).arg(&path).output().unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        edge
    }

    pub(super) fn set_variables(&mut self, variables: &[(&'static str, PathBuf)]) {
        self.variables = variables.to_vec();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = skerry();
        command.args(arguments).arg("--data").arg(self.path("data")).arg("--sockets").arg(self.path("run"));
        command
    }

    /// Done when its door is open.
    pub(super) async fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("edge.log")).unwrap();
        let mut command = self.command(&["edge", "run", "--metrics", "off"]);
        command.arg("--config").arg(self.path("config.toml")).stdout(Stdio::null()).stderr(log);
        // As its unit has it.
        command.env("MALLOC_ARENA_MAX", "1").envs(self.variables.iter().cloned());
        self.process = Some(command.spawn().unwrap());
        for _ in 0..TRIES {
            if tokio::net::TcpStream::connect((ADDRESS, 8883)).await.is_ok() {
                return;
            }
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the edge ended with {ended:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the edge does not open its door:\n{}", self.log());
    }

    /// Kills it without a warning.
    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!self.log().contains("panicked"), "the edge panicked:\n{}", self.log());
    }

    /// Stops it as systemd does.
    pub(super) fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        let kill = format!("kill -TERM {}", process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(process.wait().unwrap().success(), "{}", self.log());
        assert!(!self.log().contains("panicked"), "the edge panicked:\n{}", self.log());
    }

    /// What it holds in memory now.
    pub(super) fn memory(&self) -> Memory {
        // The processes that are shown are those of the machine, under other numbers.
        let own = self.path("config.toml").display().to_string();
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let is_own = |process: &PathBuf| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&own)
        };
        let process = processes.filter(|path| path.join("smaps_rollup").exists()).find(is_own).unwrap();
        let text = fs::read_to_string(process.join("smaps_rollup")).unwrap();
        let of = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
        };
        Memory { share: of("Pss:"), all: of("Rss:"), own: of("Pss_Anon:") }
    }

    /// The way in, for who trusts the edge, and whose clock is so far ahead.
    pub(super) fn place(&self, ahead: Duration) -> Place {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.trust_bundle().as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_details(provider, Arc::new(Ahead(ahead)))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.resumption = Resumption::disabled();
        let name = NAME.to_owned().try_into().unwrap();
        let address = format!("{ADDRESS}:8883").parse().unwrap();
        let connect_timeout = Duration::from_secs(5);
        Place { address, relay: None, tls: Some((name, Arc::new(tls))), websocket: None, connect_timeout }
    }

    /// What modules are told to trust.
    fn trust_bundle(&self) -> String {
        let mut socket = UnixStream::connect(self.path("run").join("workload.sock")).unwrap();
        let request = "GET /trust-bundle?api-version=2019-01-30 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let body = answer.find('{').map(|start| &answer[start..=answer.rfind('}').unwrap()]).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["certificate"].as_str().unwrap().to_owned()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("edge.log")).unwrap_or_default()
    }
}

/// The clock of a client.
#[derive(Debug)]
struct Ahead(Duration);

impl TimeProvider for Ahead {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + self.0))
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Where the test failed before it stopped it.
        if let Some(process) = &mut self.process {
            drop(process.kill());
            drop(process.wait());
            println!("the edge's log:\n{}", self.log());
        }
    }
}
