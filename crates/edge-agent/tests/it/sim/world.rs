//! Everything around the agent, and hands to play with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_edge_agent::container::Identity;
use skerry_edge_agent::plan::Limits;
use skerry_edge_agent::ports::{
    Identities, IdentityError, OwnSettings, Provisioning, SealError, Sealer, Shelf, ShelfError,
};
use skerry_edge_agent::{Agent, AgentOptions, Blob, Bundles, Handle, Pace, UploadError, Uploads};
use skerry_edge_agent::{Disk as HostDisk, HostError, HostFigures, HostSource};
use skerry_model::{Clock, Random, Timestamp};
use skerry_runtime::{Answer, Container, CreateRules, Machine, MemoryRuntime, Runtime as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::hub::{Hub, Line};

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) machine: Machine,
    pub(crate) runtime: Arc<MemoryRuntime>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) names: Arc<Names>,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) office: Arc<Office>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) handle: Option<Handle>,
    pub(crate) sends_quality: bool,
    running: Option<(JoinHandle<()>, watch::Sender<bool>)>,
}

/// The machine's clock: it goes with tokio's, and can be set.
pub(crate) struct SimClock {
    began: Instant,
    base: Mutex<Timestamp>,
}

impl SimClock {
    pub(crate) fn set(&self, to: Timestamp) {
        let elapsed = self.began.elapsed();
        let ticks = i64::try_from(elapsed.as_nanos() / 100).unwrap();
        *self.base.lock().unwrap() = Timestamp::from_ticks(to.ticks() - ticks);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.base.lock().unwrap().plus(self.began.elapsed())
    }
}

pub(crate) struct Dice;

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Keeps what is saved over the agent's lives.
#[derive(Default)]
pub(crate) struct Disk(pub(crate) Mutex<BTreeMap<String, Vec<u8>>>);

impl Shelf for Disk {
    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>, ShelfError> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(name).cloned()) })
    }

    fn save<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> Answer<'a, (), ShelfError> {
        Box::pin(async move {
            self.0.lock().unwrap().insert(name.to_owned(), bytes);
            Ok(())
        })
    }
}

/// Turns every bit around, so that nothing sealed can be read by chance.
struct Turner;

impl Sealer for Turner {
    fn seal(&self, plain: Vec<u8>) -> Answer<'_, Vec<u8>, SealError> {
        Box::pin(async move { Ok(plain.iter().map(|byte| !byte).collect()) })
    }

    fn open(&self, sealed: Vec<u8>) -> Answer<'_, Vec<u8>, SealError> {
        self.seal(sealed)
    }
}

/// The identities in the hub.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) known: Mutex<Vec<Identity>>,
    /// Those that were given their keys again.
    pub(crate) updated: Mutex<Vec<String>>,
    pub(crate) is_away: Mutex<bool>,
}

impl Names {
    fn check(&self) -> Result<(), IdentityError> {
        if *self.is_away.lock().unwrap() {
            return Err(IdentityError { reason: "no network".to_owned() });
        }
        Ok(())
    }
}

impl Identities for Names {
    fn list(&self) -> Answer<'_, Vec<Identity>, IdentityError> {
        Box::pin(async {
            self.check()?;
            Ok(self.known.lock().unwrap().clone())
        })
    }

    fn create<'a>(&'a self, module_id: &'a str) -> Answer<'a, Identity, IdentityError> {
        Box::pin(async move {
            self.check()?;
            let identity = Identity {
                module_id: module_id.to_owned(),
                generation_id: "1".to_owned(),
                managed_by: "iotedge".to_owned(),
            };
            self.known.lock().unwrap().push(identity.clone());
            Ok(identity)
        })
    }

    fn update<'a>(&'a self, module_id: &'a str) -> Answer<'a, Identity, IdentityError> {
        Box::pin(async move {
            self.check()?;
            self.updated.lock().unwrap().push(module_id.to_owned());
            let known = self.known.lock().unwrap();
            let identity = known.iter().find(|identity| identity.module_id == module_id);
            identity.cloned().ok_or_else(|| IdentityError { reason: "no such module".to_owned() })
        })
    }

    fn delete<'a>(&'a self, module_id: &'a str) -> Answer<'a, (), IdentityError> {
        Box::pin(async move {
            self.check()?;
            self.known.lock().unwrap().retain(|identity| identity.module_id != module_id);
            Ok(())
        })
    }
}

/// How often somebody asked for another identity, and how far the clock is ahead of the hub's.
#[derive(Default)]
pub(crate) struct Office(pub(crate) Mutex<u32>, pub(crate) Mutex<Option<i64>>);

/// The environments of agent and hub, each time that they were told.
#[derive(Default)]
pub(crate) struct Desk(
    pub(crate) Mutex<Vec<BTreeMap<String, String>>>,
    pub(crate) Mutex<Vec<BTreeMap<String, String>>>,
);

impl OwnSettings for Desk {
    fn environment(&self, env: &BTreeMap<String, String>) {
        self.0.lock().unwrap().push(env.clone());
    }

    fn hub(&self, env: &BTreeMap<String, String>, _: &Map<String, Value>) {
        self.1.lock().unwrap().push(env.clone());
    }
}

impl Provisioning for Office {
    fn refused(&self) {
        *self.0.lock().unwrap() += 1;
    }

    fn clock_ahead_seconds(&self) -> Option<i64> {
        *self.1.lock().unwrap()
    }
}

/// What was uploaded, and where to.
#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) blobs: Mutex<Vec<(String, Blob)>>,
    pub(crate) is_away: Mutex<bool>,
}

impl Uploads for Cloud {
    fn put<'a>(&'a self, container: &'a str, blob: Blob) -> Answer<'a, (), UploadError> {
        Box::pin(async move {
            sleep(Duration::from_secs(1)).await;
            if *self.is_away.lock().unwrap() {
                return Err(UploadError { reason: "403 from the storage".to_owned() });
            }
            self.blobs.lock().unwrap().push((container.to_owned(), blob));
            Ok(())
        })
    }
}

struct Bundler;

impl Bundles for Bundler {
    fn make(
        &self,
        since: Option<Timestamp>,
        _until: Option<Timestamp>,
        runtime_only: bool,
    ) -> Answer<'_, Bytes, UploadError> {
        let text = format!("{} {runtime_only}", since.unwrap_or_default());
        Box::pin(async move { Ok(Bytes::from(text)) })
    }
}

struct Meter;

impl HostSource for Meter {
    fn figures(&self) -> Answer<'_, HostFigures, HostError> {
        let disk = HostDisk {
            name: "sda1".to_owned(),
            file_system: "ext4".to_owned(),
            file_type: "SSD".to_owned(),
            available_bytes: 5,
            bytes: 9,
        };
        let figures = HostFigures { memory_bytes: 4000, disks: vec![disk], ..HostFigures::default() };
        Box::pin(async { Ok(figures) })
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(SimClock {
            began: Instant::now(),
            base: Mutex::new("2024-05-01T12:00:00Z".parse().unwrap()),
        });
        let runtime = Arc::new(MemoryRuntime::new(clock.clone(), CreateRules::default()));
        Self {
            hub: Hub::default(),
            machine: runtime.machine(),
            runtime,
            clock,
            disk: Arc::default(),
            names: Arc::default(),
            cloud: Arc::default(),
            office: Arc::default(),
            desk: Arc::default(),
            handle: None,
            sends_quality: false,
            running: None,
        }
    }

    pub(crate) fn start(&mut self) {
        self.start_with(Limits::default());
    }

    pub(crate) fn start_with(&mut self, limits: Limits) {
        let options = AgentOptions { limits, ..self.options() };
        self.hub.greet();
        let (agent, handle) = Agent::new(options, Box::new(Line(self.hub.clone())));
        let (stop, stopped) = watch::channel(false);
        self.handle = Some(handle);
        self.running = Some((tokio::spawn(agent.run(stopped)), stop));
    }

    /// What an agent of this world is made of.
    pub(crate) fn options(&self) -> AgentOptions {
        AgentOptions {
            device: crate::containers_of_modules::device(),
            version: "1.2.3".to_owned(),
            is_hub_inside: true,
            sends_quality: self.sends_quality,
            limits: Limits::default(),
            pace: Pace::default(),
            runtime: self.runtime.clone(),
            identities: self.names.clone(),
            provisioning: self.office.clone(),
            settings: self.desk.clone(),
            shelf: self.disk.clone(),
            sealer: Arc::new(Turner),
            uploads: self.cloud.clone(),
            bundles: Arc::new(Bundler),
            host: Arc::new(Meter),
            clock: self.clock.clone(),
            random: Arc::new(Dice),
        }
    }

    /// As by a signal.
    pub(crate) async fn stop(&mut self) {
        let (task, stop) = self.running.take().unwrap();
        stop.send_replace(true);
        task.await.unwrap();
    }

    /// As by a power cut.
    pub(crate) async fn kill(&mut self) {
        let (task, _stop) = self.running.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    /// Waits until something holds, and fails with what is reported when it does not become so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let wait = async {
            while !is_so(self).await {
                sleep(Duration::from_millis(100)).await;
            }
        };
        if timeout(Duration::from_secs(3 * 3600), wait).await.is_err() {
            let calls = self.machine.take_calls();
            panic!("never: {what}\nreported: {:#}\ncalls: {calls:#?}", self.hub.reported());
        }
    }

    /// Waits until a version has come to an end with this code.
    pub(crate) async fn until_code(&self, version: u64, code: u16) -> String {
        let what = format!("version {version} ends with {code}");
        self.until(&what, async |world| {
            let reported = world.hub.reported();
            reported["lastDesiredVersion"] == version && reported["lastDesiredStatus"]["code"] == code
        })
        .await;
        self.hub.reported()["lastDesiredStatus"]["description"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn until_status(&self, module: &str, status: &str) {
        self.until(&format!("{module} is {status}"), async |world| {
            world.hub.reported()["modules"][module]["runtimeStatus"] == status
        })
        .await;
    }

    pub(crate) async fn containers(&self) -> BTreeMap<String, Container> {
        let listed = self.runtime.list().await.unwrap();
        listed.into_iter().map(|container| (container.name.clone(), container)).collect()
    }
}

/// A whole section with these modules; each is an image, or an object with more.
pub(crate) fn manifest(modules: &[(&str, Value)]) -> Value {
    let modules = modules.iter().map(|(name, module)| {
        let mut whole = json!({"type": "docker", "status": "running"});
        match module {
            Value::String(image) => whole["settings"] = json!({ "image": image }),
            Value::Object(members) => whole.as_object_mut().unwrap().extend(members.clone()),
            other => panic!("{other}"),
        }
        ((*name).to_owned(), whole)
    });
    let modules: Map<String, Value> = modules.collect();
    json!({
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
        "systemModules": {
            "edgeAgent": {"type": "docker", "settings": {"image": "agent:1"}},
            "edgeHub": {"type": "docker", "status": "running", "settings": {"image": "hub:1"}}
        },
        "modules": modules
    })
}
