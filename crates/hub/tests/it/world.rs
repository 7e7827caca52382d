//! A hub with a stopped clock, known randomness and a store of the chosen kind.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;
use skerry_hub::access::Policies;
use skerry_hub::commands::CommandLimits;
use skerry_hub::devices::Rates;
use skerry_hub::files::{Files, FilesOptions, LinkKey};
use skerry_hub::groups::GROUPS_MAX;
use skerry_hub::registry::Sealer;
use skerry_hub::rest::{Reply, Request, Upload};
use skerry_hub::telemetry::{Telemetry, TelemetryOptions};
use skerry_hub::{Connections, Hub, HubOptions};
use skerry_model::{Clock, Random, Timestamp};
use skerry_store::blobs::{self, MemoryBlobs};
use skerry_store::bus::{LocalBus, LocalBusOptions};
use skerry_store::documents::Documents;
use skerry_store::log::{Durability, Limits, Log};
use skerry_store::{
    EmbeddedDocuments, EmbeddedOptions, LogWeakness, MemoryDocuments, MemoryLog, MemoryLogOptions,
    MemoryOptions, PresenceOptions, PresenceTable, Weakness,
};
use skerry_tokens::{KeyUse, SharedKey, Signer};

pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    /// At the beginning of 2026.
    pub fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Self(AtomicI64::new(start.ticks()))
    }

    pub fn advance(&self, by: Duration) {
        let later = self.now().plus(by);
        self.0.store(later.ticks(), Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ticks(self.0.load(Ordering::SeqCst))
    }
}

/// Counts upwards through splitmix64: the same bytes in every run.
pub struct KnownRandom(pub AtomicU64);

impl Random for KnownRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

pub struct World {
    pub hub: Arc<Hub>,
    pub clock: Arc<StoppedClock>,
    pub policies: Arc<Policies>,
    pub documents: Arc<dyn Documents>,
    pub log: Arc<dyn Log>,
    /// Views may be late here, and outcomes unknown.
    pub weak: bool,
    _folder: tempfile::TempDir,
}

/// An answer with its body read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    reply: Reply,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.reply.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The name of the error, taken from the body as an SDK takes it.
    pub fn error(&self) -> &str {
        let message = self.body["Message"].as_str().unwrap_or_default();
        let name = message.split(';').next().unwrap_or_default().split(':').nth(1).unwrap_or_default();
        assert_eq!(self.header("iothub-errorcode").unwrap_or_default(), name, "{}", self.body);
        name
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn refused(self, status: u16, name: &str) {
        assert_eq!((self.status, self.error()), (status, name), "{}", self.body);
    }
}

/// What a storage client gets.
#[derive(Debug)]
pub struct Stored {
    pub status: u16,
    headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Stored {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.header("x-ms-error-code")), (status, code), "{self:?}");
        self
    }
}

/// What the blobs of a world may have.
pub const BLOB_LIMITS: blobs::Limits =
    blobs::Limits { bytes_max: 100_000, blob_bytes_max: 50_000, blocks_max: 10, blobs_max: 100 };

/// Learns what the documents have, whatever thread the world is made on.
fn files(documents: &Arc<dyn Documents>, clock: &Arc<StoppedClock>, random: &Arc<KnownRandom>) -> Files {
    let clock = || Arc::clone(clock) as Arc<dyn Clock>;
    let options = FilesOptions {
        blobs: Arc::new(MemoryBlobs::new(BLOB_LIMITS, clock())),
        documents: Arc::clone(documents),
        key: LinkKey::new(&[7; 32]),
        link_life: Duration::from_secs(3600),
        retention: None,
        notices: true,
        clock: clock(),
        random: Arc::clone(random) as Arc<dyn Random>,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = std::thread::spawn(move || runtime.block_on(Files::open(options)).unwrap());
    open.join().unwrap()
}

pub const HOST: &str = "hub1.skerry.test";

impl World {
    pub fn over(documents: Arc<dyn Documents>) -> Self {
        Self::over_both(documents, None)
    }

    /// With a log that is weak where a seed is given.
    pub fn over_both(documents: Arc<dyn Documents>, weak_log: Option<u64>) -> Self {
        Self::with_rates(documents, weak_log, Rates::default())
    }

    /// In memory, and who is too fast is told so.
    pub fn limited(rates: Rates) -> Self {
        Self::with_rates(Arc::new(MemoryDocuments::new(MemoryOptions::default())), None, rates)
    }

    /// In memory, and who asks for faults gets them.
    pub fn faulty() -> Self {
        let clock = Arc::new(StoppedClock::new());
        let log = MemoryLog::new(MemoryLogOptions {
            limits: Limits::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            weakness: None,
        });
        let documents = Arc::new(MemoryDocuments::new(MemoryOptions::default()));
        Self::with_faults(documents, Arc::new(log), clock, Rates::default(), true)
    }

    fn with_rates(documents: Arc<dyn Documents>, weak_log: Option<u64>, rates: Rates) -> Self {
        let clock = Arc::new(StoppedClock::new());
        let log = MemoryLog::new(MemoryLogOptions {
            limits: Limits::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            weakness: weak_log.map(LogWeakness::seeded),
        });
        Self::with_all(documents, Arc::new(log), clock, rates)
    }

    pub fn over_all(documents: Arc<dyn Documents>, log: Arc<dyn Log>, clock: Arc<StoppedClock>) -> Self {
        Self::with_all(documents, log, clock, Rates::default())
    }

    fn with_all(
        documents: Arc<dyn Documents>,
        log: Arc<dyn Log>,
        clock: Arc<StoppedClock>,
        rates: Rates,
    ) -> Self {
        Self::with_faults(documents, log, clock, rates, false)
    }

    fn with_faults(
        documents: Arc<dyn Documents>,
        log: Arc<dyn Log>,
        clock: Arc<StoppedClock>,
        rates: Rates,
        has_faults: bool,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = Arc::new(KnownRandom(AtomicU64::new(1)));
        let policies =
            Arc::new(Policies::open(&folder.path().join("policies.json"), random.as_ref()).unwrap());
        let durability = Durability::Synced;
        let telemetry = Telemetry::new(TelemetryOptions { log: Arc::clone(&log), partitions: 4, durability });
        let files = files(&documents, &clock, &random);
        let hub = Arc::new(Hub::new(HubOptions {
            name: "hub1".into(),
            telemetry,
            host_names: vec![HOST.into(), "127.0.0.1".into()],
            documents: Arc::clone(&documents),
            connections: Arc::new(Connections::new(PresenceTable::new(PresenceOptions::default(), 1))),
            bus: Arc::new(LocalBus::new(LocalBusOptions::default())),
            process_epoch: 1,
            event_durability: durability,
            rates,
            has_faults,
            commands: CommandLimits::default(),
            consumer_groups_max: GROUPS_MAX,
            policies: Arc::clone(&policies),
            sealer: Arc::new(Sealer::new(&[7; 32])),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            random,
            token_skew: Duration::from_secs(300),
            files: Some(files),
            backup: None,
        }));
        Self { hub, clock, policies, documents, log, weak: false, _folder: folder }
    }

    /// Another life of the hub over the same documents, which knows nothing of this one but the time.
    pub fn reborn(&self) -> Self {
        let reborn = Self { weak: self.weak, ..Self::over(Arc::clone(&self.documents)) };
        reborn.clock.advance(self.clock.now().since(reborn.clock.now()));
        reborn
    }

    /// The same over the same log, too, and with the same clock.
    pub fn reborn_with_log(&self) -> Self {
        let (documents, clock) = (Arc::clone(&self.documents), Arc::clone(&self.clock));
        Self { weak: self.weak, ..Self::over_all(documents, Arc::clone(&self.log), clock) }
    }

    /// Time goes by, on the clock and for whoever waits.
    pub async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    pub fn token(&self, policy: &str) -> String {
        let key = self.policies.get(policy).unwrap().primary;
        self.token_signed_with(Some(policy), key, HOST)
    }

    pub fn token_signed_with(&self, policy: Option<&str>, key: SharedKey, resource: &str) -> String {
        let signer = match policy {
            Some(name) => Signer::policy(name, key, KeyUse::Hub),
            None => Signer::identity(key),
        };
        signer.issue(resource, self.clock.now().plus(Duration::from_secs(3600))).reveal()
    }

    /// A request by the owner, with the usual api version.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let separator = if path.contains('?') { '&' } else { '?' };
        let uri = format!("{path}{separator}api-version=2021-04-12");
        let token = self.token("iothubowner");
        let mut all = vec![("authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.raw(method, &uri, body.map(|body| body.to_string().into_bytes()).unwrap_or_default(), &all).await
    }

    /// A request exactly as given.
    pub async fn raw(&self, method: Method, uri: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
        let mut builder = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        let reply = self.hub.answer(&Request { head, body: body.into() }).await;
        let body = if reply.body.is_empty() { Value::Null } else { json_or_text(&reply.body) };
        Answer { status: reply.status, body, reply }
    }

    /// A request of a storage client: status, headers and body of the answer.
    pub async fn storage(&self, method: Method, uri: &str, body: &[u8], headers: &[(&str, &str)]) -> Stored {
        let mut builder = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        let answer = self.hub.storage(head, Upload::Whole(body.to_vec().into())).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Stored { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// An answer that is not JSON.
    pub async fn get_text(&self, path: &str) -> String {
        let uri = format!("{path}?api-version=2021-04-12");
        let token = self.token("iothubowner");
        let (head, ()) =
            http::Request::get(uri).header("authorization", token).body(()).unwrap().into_parts();
        let reply = self.hub.answer(&Request { head, body: Vec::new().into() }).await;
        assert_eq!(reply.status, 200);
        String::from_utf8(reply.body).unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Creates a device with tags.
    pub async fn device(&self, id: &str, tags: Value) {
        self.put(&format!("/devices/{id}"), serde_json::json!({"deviceId": id})).await.expect(200);
        if tags.as_object().is_some_and(|tags| !tags.is_empty()) {
            self.patch(&format!("/twins/{id}"), serde_json::json!({"tags": tags})).await.expect(200);
        }
    }
}

/// Messages for devices are any bytes.
fn json_or_text(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
}

/// Runs a scenario on the memory engine (strong, and weak with several seeds) and the embedded one.
pub fn everywhere<F: Future<Output = ()>>(scenario: impl Fn(World) -> F) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(scenario(World::over(Arc::new(MemoryDocuments::new(MemoryOptions::default())))));
    for seed in 1..=5 {
        let weak = MemoryOptions { weakness: Some(Weakness::seeded(seed)), ..MemoryOptions::default() };
        let documents = Arc::new(MemoryDocuments::new(weak));
        let world = World { weak: true, ..World::over_both(documents, Some(seed)) };
        runtime().block_on(scenario(world));
    }
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        scenario(World::over(embedded(folder.path()))).await;
    });
}

pub fn embedded(folder: &Path) -> Arc<dyn Documents> {
    Arc::new(EmbeddedDocuments::open(EmbeddedOptions::new(folder.join("documents.db"))).unwrap())
}
