//! Devices over MQTT and a hub that dies: what was acknowledged is there, what was subscribed to goes on.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};
use skerry_model::Timestamp;
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Filter, Publish, Qos, Text};
use skerry_tokens::SharedKey;
use skerry_uplink::{Client, Identity, Place, Proof, TlsOptions};

use crate::process::{HOST, Hub, skerry};
use crate::telemetry::monitored;

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What `skerry … --json` says.
pub(crate) fn said(hub: &Hub, arguments: &[&str]) -> Value {
    let output = skerry().args(arguments).args(["--json", "--data"]).arg(hub.data()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

pub(crate) fn new_device(hub: &Hub, id: &str) -> Identity {
    identity(&said(hub, &["device", "create", id]))
}

/// The device that was created, with its key.
pub(crate) fn identity(device: &Value) -> Identity {
    let key = device["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    let proof = Proof::Key(key.parse::<SharedKey>().unwrap());
    let id = device["deviceId"].as_str().unwrap();
    Identity { host: HOST.to_owned(), device: id.parse().unwrap(), module: None, proof }
}

pub(crate) fn place(hub: &Hub) -> Place {
    let root = std::fs::read(hub.root_certificate()).unwrap();
    let tls = TlsOptions { roots: &root, certificate: None, resumption: false }.build().unwrap();
    let name = HOST.to_owned().try_into().unwrap();
    Place {
        address: hub.mqtt_address,
        tls: Some((name, tls)),
        websocket: None,
        relay: None,
        connect_timeout: PATIENCE,
    }
}

pub(crate) fn greeting(identity: &Identity, clean_session: bool) -> Connect {
    let now = Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap());
    Connect { clean_session, ..identity.connect(now, Duration::from_secs(3600), 60) }
}

pub(crate) async fn connect<T>(hub: &Hub, identity: &Identity, clean_session: bool) -> Client<T> {
    let limits = ClientLimits { window: 100, ..ClientLimits::default() };
    Client::connect(&place(hub), greeting(identity, clean_session), limits).await.unwrap()
}

/// Publishes until the hub is gone, and kills it after `kill_after` acknowledgements.
async fn publish_until_killed(hub: Hub, identity: &Identity, round: usize, kill_after: usize) -> Vec<String> {
    let topic = Text::from(format!("devices/{}/messages/events/", identity.device).as_str());
    let mut client: Client<String> = connect(&hub, identity, true).await;
    let (mut acknowledged, mut number, mut hub) = (Vec::new(), 0, Some(hub));
    loop {
        while client.has_room() {
            let text = format!("r{round}-{number}");
            number += 1;
            client.publish(topic.clone(), Bytes::from(text.clone()), text).unwrap();
        }
        match client.event().await {
            Ok(Event::Published(text)) => acknowledged.push(text),
            Ok(other) => panic!("{other:?}"),
            Err(_) => return acknowledged,
        }
        if acknowledged.len() >= kill_after
            && let Some(hub) = hub.take()
        {
            hub.kill();
        }
    }
}

#[test]
fn every_acknowledged_publish_is_in_the_log_after_kills_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut acknowledged, mut identity) = (Vec::new(), None);
    for round in 0..4 {
        let hub = Hub::start_in(&data, &[]);
        let identity = identity.get_or_insert_with(|| new_device(&hub, "d1"));
        let publishing = publish_until_killed(hub, identity, round, 500 + 333 * round);
        acknowledged.extend(runtime.block_on(publishing));
    }
    let hub = Hub::start_in(&data, &[]);
    runtime.block_on(async {
        let mut client: Client<()> = connect(&hub, identity.as_ref().unwrap(), true).await;
        client.publish(Text::from("devices/d1/messages/events/"), "the end".into(), ()).unwrap();
        assert_eq!(client.event().await.unwrap(), Event::Published(()));
    });
    let lines = monitored(&hub, &["--json", "--device", "d1"], "the end");
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bodies = events.iter().filter(|event| event["source"] == "Telemetry");
    let bodies: Vec<&str> = bodies.map(|event| event["body"].as_str().unwrap()).collect();
    let present: HashSet<&str> = bodies.iter().copied().collect();
    assert_eq!(present.len(), bodies.len(), "nothing is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|text| !present.contains(text.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    let in_order: Vec<&str> = bodies.iter().copied().filter(|body| body.starts_with("r2-")).collect();
    let numbers: Vec<u32> = in_order.iter().map(|body| body[3..].parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "in order, without a gap");
    hub.stop();
}

/// The next message.
async fn message(client: &mut Client<()>) -> Publish {
    match tokio::time::timeout(PATIENCE, client.event()).await.expect("a message comes").unwrap() {
        Event::Message(publish) => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_goes_on_after_a_restart_without_subscribing_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = Hub::start_in(&data, &[]);
    let identity = new_device(&hub, "d1");
    let filters = [
        "devices/d1/messages/devicebound/#",
        "$iothub/methods/POST/#",
        "$iothub/twin/PATCH/properties/desired/#",
    ];
    runtime.block_on(async {
        let mut client: Client<()> = connect(&hub, &identity, false).await;
        assert!(!client.session_present());
        let filters = filters.map(|filter| (Filter::new(Text::from(filter)).unwrap(), Qos::AtLeastOnce));
        client.subscribe(filters.to_vec()).unwrap();
        assert!(matches!(client.event().await.unwrap(), Event::Subscribed { .. }));
    });
    // Without a warning, as a power cut.
    hub.kill();
    let hub = Hub::start_in(&data, &[]);
    said(&hub, &["c2d", "send", "--device", "d1", "wait for it"]);
    runtime.block_on(async {
        let mut client: Client<()> = connect(&hub, &identity, false).await;
        assert!(client.session_present());
        let command = message(&mut client).await;
        assert_eq!(command.payload, "wait for it");
        client.settle(command.packet_id.unwrap());
        said(&hub, &["twin", "update", "d1", "--desired", r#"{"speed": 7}"#]);
        let desired = message(&mut client).await;
        assert_eq!(desired.topic.as_str(), "$iothub/twin/PATCH/properties/desired/?$version=2");
        assert_eq!(
            serde_json::from_slice::<Value>(&desired.payload).unwrap(),
            json!({"speed": 7, "$version": 2})
        );
        let mut invoke = skerry();
        invoke.args(["method", "invoke", "d1", "reboot", "--payload", "{\"in\":5}", "--json", "--data"]);
        let invoking = invoke.arg(hub.data()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let call = message(&mut client).await;
        assert_eq!(call.payload, "{\"in\":5}");
        let id = call.topic.as_str().strip_prefix("$iothub/methods/POST/reboot/?$rid=").unwrap();
        let answer = format!("$iothub/methods/res/202/?$rid={id}");
        client.publish(Text::from(answer.as_str()), "\"soon\"".into(), ()).unwrap();
        assert_eq!(client.event().await.unwrap(), Event::Published(()));
        let output = invoking.wait_with_output().unwrap();
        let answered: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answered, json!({"status": 202, "payload": "soon"}));
        client.close().await;
    });
    hub.stop();
}
