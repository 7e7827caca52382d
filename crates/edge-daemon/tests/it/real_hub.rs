//! Our own hub behind the same calls: its REST service, without a socket between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use skerry_edge_daemon::cloud::{
    Clocks, Cloud, CloudError, CloudOptions, CloudRequest, CloudResponse, NetworkError, Proof, Sending,
    Transport,
};
use skerry_edge_daemon::identities::{Device, Identities, IdentitiesOptions, IdentityCache};
use skerry_hub::access::Policies;
use skerry_hub::commands::CommandLimits;
use skerry_hub::devices::Rates;
use skerry_hub::registry::Sealer;
use skerry_hub::telemetry::{Telemetry, TelemetryOptions};
use skerry_hub::{Connections, Hub, HubOptions, rest};
use skerry_keys::{FileKeyStore, FileOptions, KeyStore};
use skerry_model::{Clock, Random};
use skerry_store::bus::{LocalBus, LocalBusOptions};
use skerry_store::log::{Durability, Limits};
use skerry_store::{
    MemoryDocuments, MemoryLog, MemoryLogOptions, MemoryOptions, PresenceOptions, PresenceTable,
};
use skerry_tokens::{KeyUse, Signer};

use crate::clock::{Dice, SetClock};
use crate::hub::{HOST, KEY};
use crate::world::own_uid;

struct RealHub {
    hub: Arc<Hub>,
    policy: String,
    is_down: AtomicU64,
}

impl RealHub {
    fn new(folder: &std::path::Path, clock: &Arc<SetClock>) -> Self {
        let random = Arc::new(Dice::default());
        let clock = || Arc::clone(clock) as Arc<dyn Clock>;
        let policies = Arc::new(Policies::open(&folder.join("policies.json"), &*random).unwrap());
        let owner = policies.get("iothubowner").unwrap().primary;
        let signer = Signer::policy("iothubowner", owner, KeyUse::Hub);
        let policy = signer.issue(HOST, clock().now().plus(Duration::from_secs(3600))).reveal();
        let log =
            MemoryLog::new(MemoryLogOptions { limits: Limits::default(), clock: clock(), weakness: None });
        let durability = Durability::Synced;
        let hub = Hub::new(HubOptions {
            name: "hub".into(),
            telemetry: Telemetry::new(TelemetryOptions { log: Arc::new(log), partitions: 4, durability }),
            host_names: vec![HOST.into()],
            documents: Arc::new(MemoryDocuments::new(MemoryOptions::default())),
            connections: Arc::new(Connections::new(PresenceTable::new(PresenceOptions::default(), 1))),
            bus: Arc::new(LocalBus::new(LocalBusOptions::default())),
            process_epoch: 1,
            event_durability: durability,
            rates: Rates::default(),
            has_faults: false,
            commands: CommandLimits::default(),
            consumer_groups_max: 20,
            policies,
            sealer: Arc::new(Sealer::new(&[7; 32])),
            clock: clock(),
            random: random as Arc<dyn Random>,
            token_skew: Duration::from_secs(300),
            files: None,
            backup: None,
        });
        Self { hub: Arc::new(hub), policy, is_down: AtomicU64::new(0) }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> CloudResponse {
        let mut head = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            head = head.header(*name, *value);
        }
        let (head, ()) = head.body(()).unwrap().into_parts();
        let reply = self.hub.answer(&rest::Request { head, body }).await;
        CloudResponse {
            status: http::StatusCode::from_u16(reply.status).unwrap(),
            date: None,
            body: reply.body.into(),
        }
    }
}

impl Transport for RealHub {
    fn send<'a>(&'a self, request: &'a CloudRequest, authorization: Option<&'a str>) -> Sending<'a> {
        Box::pin(async move {
            if self.is_down.load(Ordering::SeqCst) == 1 {
                return Err(NetworkError { place: HOST.into(), reason: "it is down".into() });
            }
            let mut headers = vec![("authorization", authorization.unwrap())];
            if request.replaces {
                headers.push(("if-match", "*"));
            }
            Ok(self.ask(request.method.as_str(), &request.path, &headers, request.body.clone()).await)
        })
    }
}

#[tokio::test]
async fn the_device_keeps_its_modules_in_our_hub_with_its_own_credential() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    let hub = Arc::new(RealHub::new(folder.path(), &clock));
    let device = serde_json::json!({
        "deviceId": "Edge-A", "capabilities": { "iotEdge": true },
        "authentication": { "type": "sas", "symmetricKey": { "primaryKey": KEY, "secondaryKey": KEY } },
    });
    let headers = [("authorization", hub.policy.as_str())];
    let made =
        hub.ask("PUT", "/devices/Edge-A?api-version=2021-04-12", &headers, device.to_string().into()).await;
    assert_eq!(made.status, 200, "{made:?}");

    let keys: Arc<dyn KeyStore> = Arc::new(
        FileKeyStore::open(FileOptions {
            directory: folder.path().join("keys"),
            preloaded: BTreeMap::new(),
            owner: own_uid(),
            random: Arc::new(Dice::default()),
        })
        .unwrap(),
    );
    let device_key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, KEY).unwrap();
    keys.import_key("device-id", &device_key).unwrap();
    let id: skerry_model::DeviceId = "Edge-A".parse().unwrap();
    let cloud = Cloud::new(CloudOptions {
        clocks: Arc::new(Clocks::new(clock.clone())),
        device: id.clone(),
        transport: hub.clone(),
        proof: Proof::key(Arc::clone(&keys), HOST, "Edge-A", clock.clone()),
        retries: 0,
        random: Arc::new(Dice::default()),
    });
    let device =
        Device { hub: HOST.parse().unwrap(), gateway: HOST.parse().unwrap(), id: id.clone(), is_x509: false };
    let cache = IdentityCache::open(folder.path(), HOST, &id).unwrap();
    let identities =
        Identities::open(IdentitiesOptions { device, cloud, keys, cache, prefers_cache: false }).unwrap();

    // The original's daemon asks for the agent before anything else.
    let agent: skerry_model::ModuleId = "$edgeAgent".parse().unwrap();
    let found = identities.update(&agent).await.unwrap();
    let sensor: skerry_model::ModuleId = "sensor".parse().unwrap();
    let made = identities.create(&sensor, Some("iotedge")).await.unwrap();
    assert_eq!(made.managed_by.as_deref(), Some("iotedge"));
    assert_ne!(made.generation_id, found.generation_id);
    let again = identities.create(&sensor, Some("iotedge")).await.unwrap();
    assert_eq!(again.generation_id, made.generation_id);
    let listed: Vec<String> =
        identities.list().await.unwrap().iter().map(|module| module.module_id.to_string()).collect();
    assert_eq!(listed, ["$edgeAgent", "$edgeHub", "sensor"]);

    // The hub takes a token that the module signs through us.
    let resource = "hub.test%2Fdevices%2FEdge-A%2Fmodules%2Fsensor";
    let expiry = clock.now().unix_seconds() + 60;
    let signature = identities.sign(&sensor, format!("{resource}\n{expiry}").into_bytes()).await.unwrap();
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
    let signature = percent_encoding::utf8_percent_encode(&signature, percent_encoding::NON_ALPHANUMERIC);
    let token = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}");
    let path = "/devices/Edge-A/modules/sensor/messages/events?api-version=2021-04-12";
    let sent = hub.ask("POST", path, &[("authorization", &token)], "hello".into()).await;
    assert_eq!(sent.status, 204, "{sent:?}");

    hub.is_down.store(1, Ordering::SeqCst);
    assert_eq!(identities.list().await.unwrap().len(), 3);
    assert_eq!(identities.update(&sensor).await.unwrap().generation_id, made.generation_id);
    hub.is_down.store(0, Ordering::SeqCst);
    identities.delete(&sensor).await.unwrap();
    identities.delete(&sensor).await.unwrap();
    let gone = identities.update(&sensor).await;
    assert!(
        matches!(
            &gone,
            Err(skerry_edge_daemon::identities::IdentityError::Cloud(CloudError::Refused {
                status: 404,
                ..
            }))
        ),
        "{gone:?}"
    );
}
