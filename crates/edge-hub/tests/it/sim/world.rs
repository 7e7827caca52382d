//! One edge hub with everything around it; it can be killed and started again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use skerry_edge_hub::{Dialer, EdgeHub, EdgeHubOptions, LinesOptions, Rules};
use skerry_front::device::{Claim, DeviceService, Proof, Refused, SessionKind};
use skerry_model::Clock;
use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{Limits, Log, Winner};
use skerry_store::{MemoryDocuments, MemoryLog, MemoryLogOptions, MemoryOptions};
use skerry_tokens::{SharedKey, Signer};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::{Client, Settling};
use super::hub::Hub;
use super::machine::{Dice, SimClock, SimMachine};
use super::patient::Patient;
use super::plug::{Plug, Plugged, Syncs};

const LONG: Duration = Duration::from_secs(24 * 3600);

/// Where letters wait.
pub enum Store {
    Memory(MemoryLog),
    /// In files; reopened with each start.
    Files {
        folder: tempfile::TempDir,
        limits: Limits,
    },
}

pub struct World {
    pub hub: Hub,
    pub clock: Arc<SimClock>,
    pub machine: Arc<SimMachine>,
    pub rules: Rules,
    pub store: Store,
    /// The way to the hub; [`World::hub`] itself.
    pub dialer: Arc<dyn Dialer>,
    /// Of the disk that files lie on.
    pub plug: Plug,
    documents: MemoryDocuments,
    /// Each start is another one.
    dice: Arc<Dice>,
    keys: BTreeMap<String, SharedKey>,
    running: Option<Running>,
}

struct Running {
    hub: EdgeHub,
    log: Arc<dyn Log>,
    /// Of a log that has some, for as long as anything of it reads or writes.
    files: Weak<Plugged>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Desired properties of the hub with these routes.
pub fn desired(routes: &Value) -> Value {
    json!({"schemaVersion": "1.1", "routes": routes, "storeAndForwardConfiguration": {"timeToLiveSecs": -1}})
}

impl World {
    /// Everything goes to the hub.
    pub fn new() -> Self {
        Self::with_routes(&json!({"all": "FROM /messages/* INTO $upstream"}))
    }

    pub fn with_routes(routes: &Value) -> Self {
        let (hub, clock) = (Hub::new(), Arc::new(SimClock::new()));
        let mut world = Self {
            store: Store::Memory(memory(&clock, 64 << 20)),
            plug: Plug::default(),
            machine: Arc::new(SimMachine::new()),
            rules: Rules { lines: LinesOptions::default(), ..Rules::default() },
            documents: MemoryDocuments::new(MemoryOptions::default()),
            dice: Arc::new(Dice::new()),
            keys: BTreeMap::new(),
            running: None,
            dialer: Arc::new(hub.clone()),
            hub,
            clock,
        };
        for id in ["edge", "edge/$edgeHub"] {
            world.register(id);
        }
        world.hub.desire("edge/$edgeHub", &desired(routes));
        world
    }

    /// Letters lie in files.
    #[must_use]
    pub fn on_files(self) -> Self {
        self.on_files_of(8 << 30)
    }

    /// The same, with so much room.
    #[must_use]
    pub fn on_files_of(mut self, bytes: u64) -> Self {
        let limits = limits(bytes);
        self.store = Store::Files { folder: tempfile::tempdir().unwrap(), limits };
        self
    }

    /// In memory, with so much room.
    #[must_use]
    pub fn with_room(mut self, bytes: u64) -> Self {
        self.store = Store::Memory(memory(&self.clock, bytes));
        self
    }

    pub fn register(&mut self, id: &str) {
        let key = self.hub.register(id);
        self.keys.insert(id.to_owned(), key);
    }

    /// Opens what is there and runs it.
    pub async fn start(&mut self) {
        let mut held = Weak::new();
        let log: Arc<dyn Log> = match &self.store {
            Store::Memory(log) => Arc::new(log.clone()),
            Store::Files { folder, limits } => {
                let files = Arc::new(Plugged::hold(folder.path(), &self.plug));
                held = Arc::downgrade(&files);
                let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
                let dice = Arc::clone(&self.dice);
                let mut options = JournalOptions::new(files, clock, dice as _);
                options.limits = limits.clone();
                Arc::new(Patient(Arc::new(Journal::open(options).unwrap())))
            }
        };
        let hub = EdgeHub::open(EdgeHubOptions {
            device: "edge".parse().unwrap(),
            version: "1".to_owned(),
            host_names: vec!["hub.example".to_owned(), "edge.example".to_owned()],
            documents: Arc::new(self.documents.clone()),
            log: Arc::clone(&log),
            home: Arc::new(self.hub.clone()),
            dialer: Arc::clone(&self.dialer),
            clock: Arc::clone(&self.clock) as _,
            machine: Arc::clone(&self.machine) as _,
            random: Arc::clone(&self.dice) as _,
            rules: self.rules,
        });
        let hub = hub.await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let runs = hub.clone();
        let task = tokio::spawn(async move { runs.run(async { drop(stopped.await) }).await });
        hub.ready().await;
        self.running = Some(Running { hub, log, files: held, stop, task });
    }

    /// The process is gone from one moment to the next. Clients have to be dropped before.
    pub async fn kill(&mut self) {
        let Running { hub, log, files, task, .. } = self.running.take().unwrap();
        task.abort();
        drop(task.await);
        drop(hub);
        released(log, &files).await;
    }

    /// The power goes, and with it what was not durable. Clients have to be dropped before.
    pub async fn cut_power(&mut self) {
        self.plug.set(Syncs::Gone);
        self.kill().await;
        let Store::Files { folder, .. } = &self.store else { panic!("memory has no disk") };
        self.plug.lose(folder.path());
    }

    /// The process ends in order.
    pub async fn stop(&mut self) {
        let Running { hub, log, files, task, stop } = self.running.take().unwrap();
        stop.send(()).unwrap();
        task.await.unwrap();
        drop(hub);
        released(log, &files).await;
    }

    pub fn edge(&self) -> &EdgeHub {
        &self.running.as_ref().unwrap().hub
    }

    pub fn log(&self) -> &Arc<dyn Log> {
        &self.running.as_ref().unwrap().log
    }

    /// Letters that wait for the hub or for modules.
    pub fn waiting(&self) -> u64 {
        self.log().cursors().iter().map(|cursor| cursor.records).sum()
    }

    pub fn token(&self, id: &str, lasts: Duration) -> Proof {
        let (device, module) =
            id.split_once('/').map_or((id, None), |(device, module)| (device, Some(module)));
        let module = module.map(|module| format!("/modules/{module}")).unwrap_or_default();
        let resource = format!("edge.example/devices/{device}{module}");
        let token = Signer::identity(self.keys[id].clone()).issue(&resource, self.clock.now().plus(lasts));
        Proof::Token(token.reveal())
    }

    pub async fn connect(&self, id: &str) -> Client {
        self.connect_as(id, Settling::Complete).await
    }

    pub async fn connect_as(&self, id: &str, settling: Settling) -> Client {
        let proof = self.token(id, LONG);
        self.try_connect(id, settling, proof).await.unwrap()
    }

    /// As the front door shows who comes over AMQP.
    pub async fn connect_passing(&self, id: &str) -> Client {
        let proof = self.token(id, LONG);
        self.claim(id, Settling::Complete, proof, SessionKind::Passing, None).await.unwrap()
    }

    /// By the token of the edge hub of `actor`, with the chain that leads to it.
    pub async fn connect_behind(&self, id: &str, actor: &str, chain: &str) -> Result<Client, Refused> {
        let proof = self.token(&format!("{actor}/$edgeHub"), LONG);
        self.claim(id, Settling::Complete, proof, SessionKind::Passing, Some(chain)).await
    }

    pub async fn try_connect(&self, id: &str, settling: Settling, proof: Proof) -> Result<Client, Refused> {
        self.claim(id, settling, proof, SessionKind::Clean, None).await
    }

    async fn claim(
        &self,
        id: &str,
        settling: Settling,
        proof: Proof,
        session: SessionKind,
        chain: Option<&str>,
    ) -> Result<Client, Refused> {
        let (device, module) =
            id.split_once('/').map_or((id, None), |(device, module)| (device, Some(module)));
        let claim = Claim {
            device: device.parse().unwrap(),
            module: module.map(|module| module.parse().unwrap()),
            host: "edge.example".to_owned(),
            proof,
            model: None,
            client: None,
            chain: chain.map(str::to_owned),
            session,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        };
        let connected = self.edge().connect(claim).await?;
        Ok(Client::new(id, connected, settling))
    }

    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        self.until_after(what, Duration::from_secs(4 * 3600), is_so).await;
    }

    pub async fn until_after(&self, what: &str, most: Duration, is_so: impl Fn(&Self) -> bool) {
        let looks = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(tokio::time::timeout(most, looks).await.is_ok(), "not yet: {what}");
    }
}

/// Whoever still holds the log lets it go, and reads that nobody waits for any more end, so that it can be opened again.
async fn released(log: Arc<dyn Log>, files: &Weak<Plugged>) {
    while Arc::strong_count(&log) > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(log);
    while files.strong_count() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn limits(bytes: u64) -> Limits {
    Limits { bytes_max: bytes, winner: Winner::Cursors, partitions_max: 1, ..Limits::default() }
}

fn memory(clock: &Arc<SimClock>, bytes: u64) -> MemoryLog {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    MemoryLog::new(MemoryLogOptions { limits: limits(bytes), clock, weakness: None })
}
