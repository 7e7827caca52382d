//! The agent's line to a real hub: what it promises, it promises over each protocol, inside a WebSocket
//! or not, through a proxy or not.

pub(crate) mod program;
mod proxy;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_edge_agent::link::{Before, HubEvent, HubLink as _, Line, LineOptions, Upstream, WayIn as _};
use skerry_model::Timestamp;
use skerry_mqtt::client::ClientLimits;
use skerry_uplink::{Identity, Proof};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::client::Client;
use crate::mqtt::{PATIENCE, said};
use crate::process::Hub;
use crate::telemetry::monitored;
use proxy::Proxy;
use way::{Even, Guide, ports};

pub(crate) const DEVICE: &str = "gate";
pub(crate) const KEY: &str = "c2VjcmV0IG9mIHRoZSBhZ2VudCBmb3IgdGhpcyB0ZXM=";
const TWIN: &str = "/twins/gate/modules/$edgeAgent";
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn over_mqtt() {
    conform("Mqtt", false);
}

#[test]
fn over_mqtt_inside_a_websocket() {
    conform("MqttWs", false);
}

#[test]
fn over_amqp() {
    conform("Amqp", false);
}

#[test]
fn over_amqp_inside_a_websocket() {
    conform("AmqpWs", false);
}

#[test]
fn over_mqtt_through_a_proxy() {
    conform("Mqtt", true);
}

#[test]
fn over_mqtt_inside_a_websocket_through_a_proxy() {
    conform("MqttWs", true);
}

#[test]
fn over_amqp_through_a_proxy() {
    conform("Amqp", true);
}

#[test]
fn over_amqp_inside_a_websocket_through_a_proxy() {
    conform("AmqpWs", true);
}

#[test]
fn a_proxy_that_refuses_is_told_from_a_hub_that_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut bed = Bed::start(Upstream::Mqtt, true).await;
        let mut way = bed.guide.way(Before::default()).await.unwrap();
        let proof = Proof::Ticket(way.ticket.token.text.clone().into());
        let identity = Identity { proof, ..way.identity };
        let connect = || identity.connect(now(), HOUR, 60);
        let limits = ClientLimits::default;
        skerry_uplink::Client::<()>::connect(&way.place, connect(), limits()).await.unwrap();
        // A port at which nobody listens, and then nobody who says who asks.
        for (port, is_passing, says) in [(1, true, "502"), (1, false, "407")] {
            let relay = way.place.relay.as_mut().unwrap();
            relay.port = port;
            if !is_passing {
                relay.authorization = None;
            }
            let refused = skerry_uplink::Client::<()>::connect(&way.place, connect(), limits()).await;
            let error = refused.unwrap_err();
            assert_eq!((error.is_passing(), error.is_refusal()), (is_passing, false), "{error}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains(proxy::AUTHORIZATION), "{error}");
        }
        bed.hub.take().unwrap().stop();
    });
}

fn conform(upstream: &str, is_relayed: bool) {
    let upstream = upstream.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Box::pin(async {
        let mut bed = Bed::start(upstream, is_relayed).await;
        let mut line = bed.line(HOUR, HOUR);
        assert_eq!(next(&mut line).await, HubEvent::Up);
        the_twin_comes_and_changes_are_told(&bed, &mut line).await;
        reports_are_kept_or_refused(&bed, &mut line).await;
        calls_are_answered(&bed, &mut line).await;
        messages_are_kept(&bed, &mut line).await;
        line = bed.outlives_the_hub(line).await;
        bed.is_refused_and_let_in_again(line).await;
        tickets_are_shown_anew(&bed, upstream).await;
        if let Some(proxy) = &bed.proxy {
            assert!(proxy.asked().iter().all(|target| target.starts_with("hub1.skerry.test:")));
        }
        bed.hub.take().unwrap().stop();
    }));
}

async fn the_twin_comes_and_changes_are_told(bed: &Bed, line: &mut Line) {
    let version = bed.desire(&json!({"a": {"b": 1}, "c": "é"})).await;
    let (desired, _) = twin_of_version(line, version).await;
    assert_eq!((&desired["a"], &desired["c"]), (&json!({"b": 1}), &json!("é")));
    let version = bed.desire(&json!({"a": {"b": 2}})).await;
    let patch = patch_of_version(line, version).await;
    assert_eq!(patch["a"], json!({"b": 2}));
}

async fn reports_are_kept_or_refused(bed: &Bed, line: &mut Line) {
    line.report(json!({"x": {"y": 1}, "z": null}).as_object().unwrap());
    let event = next(line).await;
    assert!(matches!(event, HubEvent::Reported { status: 204, .. }), "{event:?}");
    let twin = bed.rest("GET", TWIN, json!(null)).await;
    assert_eq!(twin["properties"]["reported"]["x"], json!({"y": 1}), "{twin:#}");
    // More than a twin holds.
    let long = json!({"a": "x".repeat(4000)});
    let long: Map<String, Value> = (0..9).map(|number| (format!("k{number}"), long.clone())).collect();
    line.report(&long);
    let event = next(line).await;
    let HubEvent::Reported { status, text } = &event else { panic!("{event:?}") };
    assert!((400..500).contains(status) && !text.is_empty(), "{event:?}");
    line.ask_twin();
    let event = next(line).await;
    let HubEvent::Twin { reported, .. } = &event else { panic!("{event:?}") };
    assert_eq!(reported["x"], json!({"y": 1}));
    assert!(!reported.contains_key("k0"));
}

async fn calls_are_answered(bed: &Bed, line: &mut Line) {
    let call = json!({"methodName": "GetModuleLogs", "payload": {"id": 7}, "responseTimeoutInSeconds": 30});
    let path = format!("{TWIN}/methods");
    let answers = async {
        let event = next(line).await;
        let HubEvent::Call { id, name, payload } = event else { panic!("{event:?}") };
        assert_eq!((name.as_str(), payload), ("GetModuleLogs", Bytes::from_static(br#"{"id":7}"#)));
        line.answer(&id, 418, Bytes::from_static(br#"["tea"]"#));
        // It is sent while the line lives.
        line.ask_twin();
        let event = next(line).await;
        assert!(matches!(event, HubEvent::Twin { .. }), "{event:?}");
    };
    let (said, ()) = tokio::join!(bed.rest("POST", &path, call), answers);
    assert_eq!(said, json!({"status": 418, "payload": ["tea"]}));
}

async fn messages_are_kept(bed: &Bed, line: &mut Line) {
    for body in ["one", "two"] {
        line.send("text/x-test", Bytes::from_static(body.as_bytes()));
        assert_eq!(next(line).await, HubEvent::Sent { is_kept: true });
    }
    let lines = monitored(bed.hub(), &["--json", "--device", DEVICE], "two");
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!((&last["moduleId"], &last["body"]), (&json!("$edgeAgent"), &json!("two")), "{last:#}");
    assert!(last.to_string().contains("text/x-test"), "{last:#}");
}

/// Tickets end soon here, and the hub ends what is not renewed.
async fn tickets_are_shown_anew(bed: &Bed, upstream: Upstream) {
    let guide = bed.guide(Duration::from_secs(6), Duration::from_secs(1));
    let mut line = line(&guide);
    assert_eq!(next(&mut line).await, HubEvent::Up);
    // Long after the first ticket has ended.
    while guide.renewals.load(Ordering::Relaxed) < 8 {
        line.ask_twin();
        let event = next(&mut line).await;
        match event {
            HubEvent::Twin { .. } => tokio::time::sleep(Duration::from_millis(50)).await,
            // A ticket of MQTT takes a connection of its own.
            HubEvent::Up if matches!(upstream, Upstream::Mqtt | Upstream::MqttWs) => {}
            event => panic!("{event:?}"),
        }
    }
}

struct Bed {
    hub: Option<Hub>,
    folder: TempDir,
    proxy: Option<Proxy>,
    guide: Arc<Guide>,
}

impl Bed {
    async fn start(upstream: Upstream, is_relayed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A token ends when it says so.
        std::fs::write(folder.path().join("hub.toml"), "token_skew_seconds = 0\n").unwrap();
        let hub = start_hub(&folder);
        said(&hub, &["device", "create", DEVICE, "--edge"]);
        let proxy = if is_relayed { Some(Proxy::start().await) } else { None };
        let guide = Arc::new(Guide {
            upstream,
            proxy: proxy.as_ref().map(|proxy| proxy.address),
            key: KEY.parse().unwrap(),
            root: std::fs::read(hub.root_certificate()).unwrap(),
            ports: ports(&hub).into(),
            ticket_life: HOUR,
            renew_after: HOUR,
            renewals: AtomicU32::new(0),
        });
        let bed = Self { hub: Some(hub), folder, proxy, guide };
        bed.key(KEY);
        bed
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    fn guide(&self, ticket_life: Duration, renew_after: Duration) -> Arc<Guide> {
        let known = &self.guide;
        Arc::new(Guide {
            upstream: known.upstream,
            proxy: known.proxy,
            key: known.key.clone(),
            root: known.root.clone(),
            ports: ports(self.hub()).into(),
            ticket_life,
            renew_after,
            renewals: AtomicU32::new(0),
        })
    }

    fn line(&mut self, ticket_life: Duration, renew_after: Duration) -> Line {
        self.guide = self.guide(ticket_life, renew_after);
        line(&self.guide)
    }

    async fn rest(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = Client::new(self.hub()).send(method, path, &[], body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Merges into the desired properties, and gives their version.
    async fn desire(&self, patch: &Value) -> u64 {
        let body = json!({"properties": {"desired": patch}});
        let twin = self.rest("PATCH", TWIN, body).await;
        twin["properties"]["desired"]["$version"].as_u64().unwrap()
    }

    /// It dies without a word, and comes back elsewhere; what was changed meanwhile is there afterwards.
    async fn outlives_the_hub(&mut self, mut line: Line) -> Line {
        line.ask_twin();
        self.hub.take().unwrap().kill();
        let reason = down(&mut line, Some(false)).await;
        assert!(!reason.is_empty());
        // Where nobody is, it tries again and again.
        down(&mut line, Some(false)).await;
        self.hub = Some(start_hub(&self.folder));
        let version = self.desire(&json!({"a": {"b": 3}})).await;
        *self.guide.ports.lock().unwrap() = ports(self.hub());
        up(&mut line).await;
        let (desired, _) = twin_of_version(&mut line, version).await;
        assert_eq!(desired["a"], json!({"b": 3}));
        line
    }

    async fn is_refused_and_let_in_again(&mut self, mut line: Line) {
        self.key("b3RoZXIgdGhhbiB0aGUgYWdlbnQgc2hvd3MgdGhlIGg=");
        down(&mut line, Some(true)).await;
        self.key(KEY);
        up(&mut line).await;
        // Over MQTT a disabled device hears the same as when the hub is busy.
        let status = |status| drop(said(self.hub(), &["device", "update", DEVICE, "--status", status]));
        status("disabled");
        down(&mut line, None).await;
        status("enabled");
        up(&mut line).await;
        line.ask_twin();
        let event = next(&mut line).await;
        assert!(matches!(event, HubEvent::Twin { .. }), "{event:?}");
    }

    /// By which the hub knows the agent.
    fn key(&self, key: &str) {
        let keys = ["--auth", "sas", "--primary-key", key, "--secondary-key", key];
        said(self.hub(), &[&["module", "update", DEVICE, "$edgeAgent"], keys.as_slice()].concat());
    }
}

fn start_hub(folder: &TempDir) -> Hub {
    let settings = folder.path().join("hub.toml");
    Hub::start_in(&folder.path().join("data"), &["--config", settings.to_str().unwrap()])
}

fn line(guide: &Arc<Guide>) -> Line {
    Line::new(LineOptions {
        way_in: Arc::clone(guide) as _,
        random: Arc::new(Even),
        pause_first: Duration::from_millis(50),
        pause_last: Duration::from_millis(500),
        answer_timeout: PATIENCE,
    })
}

fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

async fn next(line: &mut Line) -> HubEvent {
    timeout(PATIENCE, line.next()).await.expect("something happens")
}

/// Until it breaks, for this kind of reason or for any.
async fn down(line: &mut Line, wants_refusal: Option<bool>) -> String {
    let wait = async {
        loop {
            match line.next().await {
                HubEvent::Down { reason, is_refused }
                    if wants_refusal.is_none_or(|wants| wants == is_refused) =>
                {
                    return reason;
                }
                HubEvent::Down { .. } | HubEvent::Twin { .. } | HubEvent::Up => {}
                event => panic!("{event:?}"),
            }
        }
    };
    timeout(PATIENCE, wait).await.expect("the line breaks")
}

async fn up(line: &mut Line) {
    let wait = async { while line.next().await != HubEvent::Up {} };
    timeout(PATIENCE, wait).await.expect("the line comes back");
}

/// The hub may tell of a change and give the twin in any order.
async fn twin_of_version(line: &mut Line, version: u64) -> (Map<String, Value>, Map<String, Value>) {
    loop {
        line.ask_twin();
        match next(line).await {
            HubEvent::Twin { desired, reported } if desired["$version"] == version => {
                return (desired, reported);
            }
            HubEvent::Twin { .. } | HubEvent::Patch { .. } => {}
            event => panic!("{event:?}"),
        }
    }
}

async fn patch_of_version(line: &mut Line, wanted: u64) -> Map<String, Value> {
    loop {
        match next(line).await {
            HubEvent::Patch { version, patch } if version == wanted => return patch,
            HubEvent::Twin { .. } | HubEvent::Patch { .. } => {}
            event => panic!("{event:?}"),
        }
    }
}
