//! A hub and an edge device beside an engine, all in the engine's namespaces, so that every usual port is free.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::engine::{Engine, OPEN, child_of};
use crate::world::provided;

pub(crate) const HOST: &str = "hub1.skerry.test";
pub(crate) const DEVICE: &str = "gate";
/// Where the hub is, as another machine would be: the edge has the same ports elsewhere.
pub(crate) const HUB_ADDRESS: &str = "10.99.0.1";
/// Under which modules look for their gateway.
pub(crate) const EDGE: &str = "gate.plant.test";
/// For whatever has to come by itself; the slowest is an update that is watched for a while.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Bed {
    pub(crate) engine: Engine,
    hub: Option<Child>,
    edge: Option<Child>,
    /// What the edge runs, and how it is told to.
    program: PathBuf,
    verbs: &'static [&'static str],
    /// Of the environment of the edge and its commands.
    variables: Vec<(&'static str, PathBuf)>,
    folder: TempDir,
}

impl Bed {
    /// A hub that runs, and a device that it knows; nothing is configured yet.
    pub(crate) fn new() -> Self {
        Self::with(Engine::start())
    }

    /// The same, with an engine that can be begun anew.
    pub(crate) fn on_an_engine_that_comes_again() -> Self {
        Self::with(Engine::start_again_and_again())
    }

    /// The same, with so much room for the engine.
    pub(crate) fn on_disk_of(megabytes: u32) -> Self {
        Self::with(Engine::start_on_disk_of(megabytes))
    }

    fn with(mut engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_skerry"), folder.path().join("iotedge")).unwrap();
        engine.serve();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_skerry"));
        let mut bed = Self {
            engine,
            hub: None,
            edge: None,
            program,
            verbs: &["edge", "run"],
            variables: Vec::new(),
            folder,
        };
        let address = format!("{HUB_ADDRESS}/32");
        ok(&bed.command("ip".as_ref()).args(["address", "add", &address, "dev", "lo"]).output().unwrap());
        bed.start_hub();
        bed.skerry(&["device", "create", DEVICE, "--edge"]);
        bed
    }

    /// Configured by its connection string and by where this hub is, as an operator would.
    pub(crate) fn configure(&self) {
        self.configure_with(&self.engine.socket(), "");
    }

    /// The same, with an engine elsewhere, and more lines at the end of the configuration.
    pub(crate) fn configure_with(&self, engine: &Path, more: &str) {
        let connection_string = self.skerry(&["device", "connection-string", DEVICE]);
        let config = self.config();
        let told = self.iotedge(&["config", "mp", "-c", connection_string.trim(), "-o", &text(&config)]);
        assert!(ok(&told).contains("config apply"), "it says what comes next");
        let mut written = fs::read_to_string(&config).unwrap();
        let root = self.path("hub/tls/root-ca.pem");
        let root = root.display();
        written = format!("hostname = \"{EDGE}\"\ntrust_bundle_cert = \"file://{root}\"\n{written}");
        written.push_str(&format!(
            "\n[moby_runtime]\nuri = \"unix://{}\"\nnetwork = \"azure-iot-edge\"\n\n\
             [skerry]\nhub_address = \"{HUB_ADDRESS}\"\nhub_ca_cert = \"file://{root}\"\n{more}",
            engine.display(),
        ));
        fs::write(&config, written).unwrap();
        ok(&self.iotedge(&["config", "apply", "-c", &text(&config)]));
    }

    pub(crate) fn start_hub(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("hub.log")).unwrap();
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_skerry")));
        command.args(["hub", "run", "--hostname", HOST, "--data"]).arg(self.path("hub"));
        for (head, port) in [("--https", 443), ("--mqtt", 8883), ("--amqp", 5671)] {
            command.args([head, &format!("{HUB_ADDRESS}:{port}")]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "skerry hub ready\n", "{}", self.log("hub.log"));
        self.hub = Some(child);
    }

    pub(crate) fn stop_hub(&mut self) {
        let hub = self.hub.take().unwrap();
        assert_eq!(terminate(hub), Some(0), "{}", self.log("hub.log"));
    }

    pub(crate) fn start_edge(&mut self) {
        self.launch_edge();
        self.wait("the daemon answers", |bed| bed.iotedge(&["list"]).status.success().then_some(()));
    }

    /// Without waiting until it answers, which takes an engine.
    pub(crate) fn launch_edge(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("edge.log")).unwrap();
        let mut command = self.command(&self.program);
        command.args(self.verbs).arg("--config").arg(self.config());
        command.arg("--data").arg(self.path("edge")).arg("--sockets").arg(self.path("run"));
        command.envs(self.variables.iter().cloned());
        self.edge = Some(command.stderr(log).stdout(Stdio::null()).spawn().unwrap());
    }

    /// Stops it as systemd does; it must go cleanly.
    pub(crate) fn stop_edge(&mut self) {
        let edge = self.edge.take().unwrap();
        assert_eq!(terminate(edge), Some(0), "{}", self.log("edge.log"));
    }

    /// Waits until it ends by itself; its exit code.
    #[allow(dead_code, reason = "in the bench it does not")]
    pub(crate) fn edge_ended(&mut self) -> Option<i32> {
        let (mut edge, began) = (self.edge.take().unwrap(), Instant::now());
        loop {
            if let Some(ended) = edge.try_wait().unwrap() {
                return ended.code();
            }
            assert!(began.elapsed() < PATIENCE, "the edge does not end:\n{}", self.log("edge.log"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The edge runs the program that is nothing else, and shares no memory with the hub.
    pub(crate) fn use_edge_alone(&mut self) {
        self.program = PathBuf::from(env!("CARGO_BIN_EXE_skerry-edge"));
        self.verbs = &["run"];
        let name = self.path("iotedge");
        fs::remove_file(&name).unwrap();
        std::os::unix::fs::symlink(&self.program, name).unwrap();
    }

    /// The process of the device's program.
    #[allow(dead_code, reason = "the bench measures it")]
    pub(crate) fn edge_process(&self) -> u32 {
        child_of(self.edge.as_ref().unwrap().id())
    }

    /// Kills it without a warning.
    pub(crate) fn kill_edge(&mut self) {
        let mut edge = self.edge.take().unwrap();
        signal("KILL", child_of(edge.id()));
        edge.wait().unwrap();
    }

    /// A command on the hub; what it prints.
    pub(crate) fn skerry(&self, args: &[&str]) -> String {
        ok(&self.ask(args))
    }

    fn ask(&self, args: &[&str]) -> Output {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_skerry")));
        command.args(args).arg("--data").arg(self.path("hub")).output().unwrap()
    }

    /// A command on the device, by the other name.
    pub(crate) fn iotedge(&self, args: &[&str]) -> Output {
        let mut command = self.command(&self.path("iotedge"));
        command.arg("--data").arg(self.path("edge")).arg("--sockets").arg(self.path("run"));
        command.envs(self.variables.iter().cloned());
        command.args(args).output().unwrap()
    }

    /// From here on the edge and its commands have these in their environment.
    #[allow(dead_code, reason = "the bench sets none")]
    pub(crate) fn set_variables(&mut self, variables: &[(&'static str, PathBuf)]) {
        self.variables = variables.to_vec();
    }

    /// The exit code of `iotedge check`, and what came of each check.
    pub(crate) fn check(&self) -> (i32, serde_json::Map<String, Value>) {
        let ran = self.iotedge(&["check", "-o", "json", "-c", &text(&self.config())]);
        let mut report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let checks = std::mem::take(report["checks"].as_object_mut().unwrap());
        let results = checks.into_iter().map(|(id, check)| (id, check["result"].clone()));
        (ran.status.code().unwrap(), results.collect())
    }

    /// The rows of `iotedge list`: name, status, description, image.
    pub(crate) fn list(&self) -> Vec<[String; 4]> {
        let listed = ok(&self.iotedge(&["list"]));
        let mut lines = listed.lines();
        let headings: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(headings, ["NAME", "STATUS", "DESCRIPTION", "Config"]);
        let row = |line: &str| {
            let cells: Vec<String> =
                line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
            cells.try_into().unwrap_or_else(|cells| panic!("not four cells: {cells:?}"))
        };
        lines.map(row).collect()
    }

    /// Sets the modules of the device: name and image.
    pub(crate) fn deploy(&self, modules: &[(&str, &str)]) {
        let modules = modules.iter().map(|(name, image)| (*name, module(image)));
        self.deploy_modules(&modules.collect::<Vec<_>>());
    }

    /// Sets the modules of the device, as a manifest has them.
    pub(crate) fn deploy_modules(&self, modules: &[(&str, Value)]) {
        self.set_modules(&manifest(modules));
    }

    /// A whole manifest.
    pub(crate) fn set_modules(&self, manifest: &Value) {
        let path = self.path("manifest.json");
        fs::write(&path, manifest.to_string()).unwrap();
        self.skerry(&["edge", "set-modules", "--device", DEVICE, "--content", &text(&path)]);
    }

    /// What the agent reports.
    pub(crate) fn reported(&self) -> Value {
        let twin = self.skerry(&["twin", "show", DEVICE, "--module", "$edgeAgent"]);
        let twin: Value = serde_json::from_str(&twin).unwrap();
        twin["properties"]["reported"].clone()
    }

    /// The version that is wanted of the agent.
    pub(crate) fn desired_version(&self) -> u64 {
        let twin = self.skerry(&["twin", "show", DEVICE, "--module", "$edgeAgent"]);
        let twin: Value = serde_json::from_str(&twin).unwrap();
        twin["properties"]["desired"]["$version"].as_u64().unwrap()
    }

    /// Until the agent says that the newest version was carried out, or was not; its report then.
    #[track_caller]
    pub(crate) fn settled(&self) -> Value {
        let version = self.desired_version();
        self.wait("the agent reports the newest version", |bed| {
            let reported = bed.reported();
            (reported["lastDesiredVersion"] == version).then_some(reported)
        })
    }

    /// Makes an image of the test's helper, in the registry of this world.
    pub(crate) fn publish(&self, name: &str, command: &str) -> String {
        let image = format!("{OPEN}/{name}");
        self.engine.publish(&image, &[&format!("CMD [{command}]")]);
        image
    }

    /// Puts an image that `cargo xtask images` has made into the registry of this world.
    pub(crate) fn publish_own(&self, program: &str) -> String {
        let archive = format!("{}/{program}.tar", provided("SKERRY_TEST_IMAGES"));
        let said = self.engine.docker(&["load", "--quiet", "--input", &archive]).unwrap();
        let loaded = said.trim().strip_prefix("Loaded image: ").unwrap_or_else(|| panic!("it says {said:?}"));
        let image = format!("{OPEN}/{program}:1");
        self.engine.docker(&["tag", loaded, &image]).unwrap();
        self.engine.docker(&["push", "--quiet", &image]).unwrap();
        // From here on only the registry has it.
        self.engine.docker(&["rmi", &image, loaded]).unwrap();
        image
    }

    /// One member of what the engine says of a container.
    pub(crate) fn inspect(&self, container: &str, format: &str) -> String {
        self.engine.docker(&["inspect", "--format", format, container]).unwrap().trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it never came that {what}; the agent's twin: {}\nthe edge:\n{}\nthe hub:\n{}",
                String::from_utf8_lossy(
                    &self.ask(&["twin", "show", DEVICE, "--module", "$edgeAgent"]).stdout
                ),
                self.log("edge.log"),
                self.log("hub.log")
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A command in this world, with none of the caller's settings.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = self.engine.inside();
        command.args(["--mount", "--pid"]).arg(program).stdin(Stdio::null());
        for variable in
            ["SKERRY_CONFIG", "SKERRY_DATA", "SKERRY_LOG", "SKERRY_LOGIN", "SKERRY_CA", "IOTEDGE_HOST"]
        {
            command.env_remove(variable);
        }
        for variable in ["SKERRY_EDGE_CONFIG", "SKERRY_EDGE_DATA", "SKERRY_EDGE_SOCKETS", "AZIOT_LOG"] {
            command.env_remove(variable);
        }
        for variable in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "NOTIFY_SOCKET"] {
            command.env_remove(variable);
        }
        command
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for child in [&mut self.edge, &mut self.hub].into_iter().flatten() {
            // Gone already is fine; what is below goes with the engine's namespaces.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// `nsenter` waits for the program and ends as it does.
fn terminate(mut child: Child) -> Option<i32> {
    signal("TERM", child_of(child.id()));
    child.wait().unwrap().code()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success());
}

#[track_caller]
pub(crate) fn ok(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A module as manifests have it.
pub(crate) fn module(image: &str) -> Value {
    json!({"version": "1.0", "type": "docker", "status": "running", "restartPolicy": "always",
           "settings": {"image": image, "createOptions": "{}"}})
}

/// The hub's port for MQTT, for devices elsewhere; the usual ones are the hub's of this world.
const PUBLISHED: &str = r#"{"HostConfig": {"PortBindings": {"8883/tcp": [{"HostPort": "18883"}]}}}"#;

pub(crate) fn manifest(modules: &[(&str, Value)]) -> Value {
    let modules: serde_json::Map<String, Value> =
        modules.iter().map(|(name, module)| ((*name).to_owned(), module.clone())).collect();
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25", "loggingOptions": ""}},
            "systemModules": {
                "edgeAgent": {"type": "docker", "settings": {"image": "agent:1.5", "createOptions": "{}"}},
                "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always",
                            "settings": {"image": format!("{OPEN}/hub:1.5"), "createOptions": PUBLISHED}},
            },
            "modules": modules,
        }},
        "$edgeHub": {"properties.desired": {
            "schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }},
    }})
}
