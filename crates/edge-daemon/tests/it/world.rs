//! A machine with a daemon on it: its directories, its sockets, its engine in memory, and a hub to talk to.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use skerry_edge_daemon::cloud::ProxySettings;
use skerry_edge_daemon::config::Config;
use skerry_edge_daemon::{
    Activated, Daemon, Handle, Options, Outcome, Parts, Pids, Places, Processes, StartError,
};
use skerry_runtime::{Behaviour, CreateRequest, CreateRules, Machine, MemoryRuntime, PullRequest, Runtime};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::clock::{Dice, SetClock};
use crate::hub::{DEVICE, FakeHub, HOST, KEY};

/// Which processes are in which container, as the test says.
#[derive(Default)]
pub struct Told(Mutex<BTreeMap<String, Vec<u32>>>);

impl Told {
    /// This process is in the container.
    pub fn are_in(&self, container: &str) {
        self.0.lock().unwrap().insert(container.to_owned(), vec![1, std::process::id()]);
    }
}

impl Processes for Told {
    fn of<'a>(&'a self, container: &'a str) -> Pids<'a> {
        let found = self.0.lock().unwrap().get(container).cloned();
        Box::pin(async move { found })
    }
}

pub struct World {
    pub folder: TempDir,
    pub hub: FakeHub,
    pub clock: Arc<SetClock>,
    pub runtime: Arc<MemoryRuntime>,
    pub machine: Machine,
    pub processes: Arc<Told>,
    pub parts: Parts,
    /// What stands in the configuration besides the provisioning and the sockets.
    pub more: String,
    pub provisioning: String,
    /// Whose calls the daemon takes for its own; 0 is this process, another number somebody else.
    pub pid: u32,
    pub owners: Vec<u32>,
}

pub struct Running {
    pub handle: Handle,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Outcome>,
}

impl Running {
    pub async fn stop(self) -> Outcome {
        // It may have ended by itself.
        let _ = self.stop.send(());
        self.ended.await.unwrap()
    }

    /// Waits until it ends by itself.
    pub async fn ended(self) -> Outcome {
        self.ended.await.unwrap()
    }
}

impl World {
    pub async fn new() -> Self {
        let clock = Arc::new(SetClock::default());
        let runtime = Arc::new(MemoryRuntime::new(clock.clone(), CreateRules::default()));
        let machine = runtime.machine();
        let key = format!("'HostName={HOST};DeviceId={DEVICE};SharedAccessKey={KEY}'");
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            hub: FakeHub::start().await,
            clock,
            machine,
            runtime,
            processes: Arc::default(),
            parts: Parts::default(),
            more: String::new(),
            provisioning: format!("[provisioning]\nsource = 'manual'\nconnection_string = {key}\n"),
            pid: std::process::id(),
            owners: vec![own_uid()],
        };
        fs::write(world.path("hub-root.pem"), &world.hub.root_pem).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> Config {
        let run = self.path("run");
        let text = format!(
            "hostname = 'edge-a.plant.lan'\n{more}\n{provisioning}\n[listen]\n\
             workload_uri = 'unix://{run}/workload.sock'\nmanagement_uri = 'unix://{run}/mgmt.sock'\n\
             [skerry]\nhub_ca_cert = 'file://{root}'\nhub_https_port = {port}\nhub_address = '127.0.0.1'\n\
             module_keys = 'ec-p256'\nserver_names = ['192.0.2.7', 'edge-a.local']\n",
            more = self.more,
            provisioning = self.provisioning,
            run = run.display(),
            root = self.path("hub-root.pem").display(),
            port = self.hub.port,
        );
        let parsed = Config::parse(&text, false).unwrap_or_else(|error| panic!("{error}\n{text}"));
        for warning in &parsed.warnings {
            // What is not done may stand in it; a typo would be the test's.
            assert!(warning.text.contains("yet"), "{warning}\n{text}");
        }
        parsed.config
    }

    pub fn options(&self) -> Options {
        Options {
            config: self.config(),
            places: Places {
                keys: self.path("keys"),
                certificates: self.path("certs"),
                identities: self.path("identityd"),
                home: self.path("edged"),
                services: Some(self.path("run")),
                root: PathBuf::from("/"),
            },
            host_name: "machine".to_owned(),
            proxy: ProxySettings::default(),
            activated: Activated::default(),
            notify_socket: None,
            pid: self.pid,
            uid: own_uid(),
            owners: self.owners.clone(),
            version: "1.2.3".to_owned(),
            runtime: self.runtime.clone(),
            parts: self.parts.clone(),
            witness: None,
            processes: Some(self.processes.clone()),
            clock: self.clock.clone(),
            random: Arc::new(Dice::default()),
        }
    }

    pub async fn start(&self) -> Running {
        self.try_start(self.options()).await.unwrap()
    }

    pub async fn try_start(&self, options: Options) -> Result<Running, StartError> {
        let daemon = Daemon::start(options).await?;
        let handle = daemon.handle();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(daemon.run(async {
            // Dropped is stopped too.
            let _ = stopped.await;
        }));
        Ok(Running { handle, stop, ended })
    }

    pub fn management(&self) -> Client {
        Client::at(&self.path("run/mgmt.sock"))
    }

    pub fn workload(&self) -> Client {
        Client::at(&self.path("run/workload.sock"))
    }

    pub fn service(&self, name: &str) -> Client {
        Client::at(&self.path("run").join(format!("{name}.sock")))
    }

    pub fn module_socket(&self, container: &str) -> PathBuf {
        self.path("edged/mnt").join(container).join("workload.sock")
    }

    /// A container of ours that runs, made by nobody's API.
    pub async fn container(&self, name: &str) {
        self.machine.publish("image:1", Behaviour::runs());
        let pull = PullRequest { image: "image:1".into(), credentials: None };
        self.runtime.pull(&pull, &|_| {}).await.unwrap();
        let request = CreateRequest {
            name: name.into(),
            image: "image:1".into(),
            env: Vec::new(),
            options: serde_json::Map::new(),
        };
        self.runtime.create(&request).await.unwrap();
        self.runtime.start(name).await.unwrap();
    }
}

pub fn own_uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// Whether somebody listens there.
pub async fn is_open(path: &Path) -> bool {
    tokio::net::UnixStream::connect(path).await.is_ok()
}
