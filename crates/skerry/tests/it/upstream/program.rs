//! The program itself on each way to the hub; it has no container engine, and says so.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::proxy::Proxy;
use super::{DEVICE, KEY};
use crate::mqtt::{PATIENCE, said};
use crate::process::{HOST, Hub, skerry};

#[test]
fn the_program_speaks_what_it_is_told_to() {
    let hub = Hub::start();
    said(&hub, &["device", "create", DEVICE, "--edge", "--primary-key", KEY, "--secondary-key", KEY]);
    let (mqtt, amqp, https) = (hub.mqtt_address.port(), hub.amqp_address.port(), hub.address.port());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(Proxy::start());
    let relayed = format!("https_proxy = \"http://user:secret@{}\"\n", proxy.address);
    // On what it is not told to speak, nobody listens.
    for (env, mqtt, amqp) in [
        ("UpstreamProtocol = \"Mqtt\"\n".to_owned(), mqtt, 1),
        ("UpstreamProtocol = \"amqp\"\n".to_owned(), 1, amqp),
        ("UpstreamProtocol = \"MqttWs\"\n".to_owned(), 1, 1),
        ("upstreamprotocol = \"AMQPWS\"\n".to_owned(), 1, 1),
        (String::new(), 1, amqp),
        // AMQP does not get through; inside of WebSockets it does.
        (String::new(), 1, 1),
        (format!("UpstreamProtocol = \"MqttWs\"\n{relayed}"), 1, 1),
        (format!("UpstreamProtocol = \"Amqp\"\n{relayed}"), 1, amqp),
    ] {
        let asked = proxy.asked().len();
        let edge = Edge::start(&hub, &env, mqtt, amqp, https);
        edge.until_connected(&hub, true);
        // The edge's hub is told the same.
        until(&hub, "$edgeHub", true, || edge.log());
        edge.stop();
        until(&hub, "$edgeAgent", false, String::new);
        until(&hub, "$edgeHub", false, String::new);
        let targets = proxy.asked().split_off(asked);
        assert_eq!(!targets.is_empty(), env.contains("https_proxy"), "{env}: {targets:?}");
    }
    hub.stop();
}

#[test]
fn the_manifest_chooses_what_is_spoken_and_cannot_cut_the_device_off() {
    let hub = Hub::start();
    said(&hub, &["device", "create", DEVICE, "--edge", "--primary-key", KEY, "--secondary-key", KEY]);
    let (amqp, https) = (hub.amqp_address.port(), hub.address.port());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(Proxy::start());
    let env =
        format!("UpstreamProtocol = \"Amqp\"\nhttps_proxy = \"http://user:secret@{}\"\n", proxy.address);
    let edge = Edge::start(&hub, &env, 1, amqp, https);
    edge.until_connected(&hub, true);
    let last = || proxy.asked().last().cloned().unwrap_or_default();
    let until_last = |port: u16| {
        let began = Instant::now();
        while !last().ends_with(&format!(":{port}")) {
            assert!(began.elapsed() < PATIENCE, "never {port}: {:?}\n{}", proxy.asked(), edge.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    assert!(last().ends_with(&format!(":{amqp}")));
    desire(&hub, "AmqpWs");
    until_last(https);
    // Where nobody listens: it comes back by what the configuration says.
    desire(&hub, "Mqtt");
    until_last(amqp);
    edge.until_connected(&hub, true);
    edge.stop();
    hub.stop();
}

fn desire(hub: &Hub, protocol: &str) {
    let agent = json!({"type": "docker", "settings": {"image": "agent:1"},
                       "env": {"UpstreamProtocol": {"value": protocol}}});
    let desired = json!({"schemaVersion": "1.1", "runtime": {"type": "docker"}, "modules": {},
                         "systemModules": {"edgeAgent": agent}});
    said(hub, &["twin", "update", DEVICE, "--module", "$edgeAgent", "--desired", &desired.to_string()]);
}

pub(crate) struct Edge {
    child: Child,
    folder: TempDir,
}

impl Edge {
    fn start(hub: &Hub, env: &str, mqtt: u16, amqp: u16, https: u16) -> Self {
        Self::start_with(hub, "", env, [mqtt, amqp, https], &[])
    }

    /// With more lines at the beginning of its configuration, and of the agent's environment.
    pub(crate) fn start_with(
        hub: &Hub,
        first: &str,
        env: &str,
        [mqtt, amqp, https]: [u16; 3],
        variables: &[(&str, PathBuf)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let config = format!(
            "hostname = \"gate.plant.test\"\n{first}\n\
             [provisioning]\nsource = \"manual\"\n\
             connection_string = \"HostName={HOST};DeviceId={DEVICE};SharedAccessKey={KEY}\"\n\
             [agent]\nname = \"edgeAgent\"\ntype = \"docker\"\n[agent.config]\nimage = \"agent:1\"\n\
             [agent.env]\n{env}\
             [moby_runtime]\nuri = \"unix://{}\"\nnetwork = \"azure-iot-edge\"\n\
             [skerry]\nhub_ca_cert = \"file://{}\"\nhub_address = \"127.0.0.1\"\n\
             hub_mqtt_port = {mqtt}\nhub_amqp_port = {amqp}\nhub_https_port = {https}\n",
            path("no.sock").display(),
            hub.root_certificate().display(),
        );
        fs::write(path("config.toml"), config).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let mut command = skerry();
        command.args(["edge", "run", "--metrics", "off", "--config"]).arg(path("config.toml"));
        command.arg("--data").arg(path("data")).arg("--sockets").arg(path("run"));
        for variable in ["SKERRY_EDGE_CONFIG", "SKERRY_EDGE_DATA", "SKERRY_EDGE_SOCKETS", "AZIOT_LOG"] {
            command.env_remove(variable);
        }
        for variable in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "NOTIFY_SOCKET"] {
            command.env_remove(variable);
        }
        let child = command
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn until_connected(&self, hub: &Hub, is_connected: bool) {
        until(hub, "$edgeAgent", is_connected, || self.log());
    }

    /// A command on the device, and what it says on stdout and stderr.
    pub(crate) fn iotedge(&self, args: &[&str]) -> String {
        let path = |name: &str| self.folder.path().join(name);
        let mut command = skerry();
        command.arg("iotedge").args(args).arg("--data").arg(path("data")).arg("--sockets").arg(path("run"));
        let output = command.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    pub(crate) fn config(&self) -> String {
        self.folder.path().join("config.toml").display().to_string()
    }

    /// Its exit code, where it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap())
    }

    pub(crate) fn stop(mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
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

fn until(hub: &Hub, module: &str, is_connected: bool, log: impl Fn() -> String) {
    let began = Instant::now();
    loop {
        let shown: Value = said(hub, &["module", "show", DEVICE, module]);
        if (shown["connectionState"] == "Connected") == is_connected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "never {is_connected}: {shown:#}\n{}", log());
        std::thread::sleep(Duration::from_millis(100));
    }
}
