//! Clients that are let in nowhere, as fast as one core can make them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_mqtt::client::{ClientLimits, Ended, Event};
use skerry_mqtt::packet::{Connect, ConnectCode, Text};
use skerry_uplink::{Client as MqttClient, Error, Identity, Place};

use super::MIB;
use crate::client::Client;
use crate::mqtt::{PATIENCE, connect, greeting, identity, place};
use crate::process::Hub;

const FOR: Duration = Duration::from_secs(30);
/// By then everything that is allocated once is there.
const WARM: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 16;
const GROWTH_BYTES_MAX: u64 = 16 * MIB;

/// What strangers show: nothing, nonsense, and a token of somebody else.
fn greetings(known: &Identity, stranger: &Identity) -> Vec<Connect> {
    let known = greeting(known, true);
    let with = |password: Option<Bytes>| Connect { password, ..known.clone() };
    let others = greeting(stranger, true).password;
    vec![with(None), with(Some(Bytes::from_static(b"open sesame"))), with(others)]
}

/// Knocks until it is time, one time after the other; how often it was turned away.
async fn knock(place: Place, greetings: Arc<Vec<Connect>>, until: Instant) -> u64 {
    let mut refused = 0;
    for greeting in greetings.iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        match MqttClient::<()>::connect(&place, greeting.clone(), ClientLimits::default()).await {
            Err(Error::Ended(Ended::Refused(ConnectCode::Unauthorised))) => refused += 1,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("a stranger was let in"),
        }
    }
    refused
}

/// Sends until it is told to stop, each message when the one before it was acknowledged.
async fn send(mut client: MqttClient<()>, id: &str, stop: Arc<AtomicBool>) -> u64 {
    let topic = Text::from(format!("devices/{id}/messages/events/").as_str());
    let mut sent = 0;
    while !stop.load(SeqCst) {
        client.publish(topic.clone(), Bytes::from_static(b"I am well"), ()).unwrap();
        let event = tokio::time::timeout(PATIENCE, client.event()).await.expect("it is served");
        assert_eq!(event.unwrap(), Event::Published(()));
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sent
}

#[tokio::test]
async fn strangers_are_turned_away_as_fast_as_they_come_and_cost_others_nothing() {
    let mut hub = Hub::start();
    let rest = Client::new(&hub);
    let mut identities = Vec::new();
    for id in ["d1", "d2"] {
        let body = format!(r#"{{"deviceId":"{id}"}}"#);
        identities.push(identity(&rest.send("PUT", &format!("/devices/{id}"), &[], body).await.body));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let good = connect(&hub, &identities[0], true).await;
    let sending = tokio::spawn(send(good, "d1", Arc::clone(&stop)));

    let greetings = Arc::new(greetings(&identities[0], &identities[1]));
    let (place, until) = (place(&hub), Instant::now() + FOR);
    let turned_away = Arc::new(AtomicU64::new(0));
    // A thread of its own, which does nothing else.
    let strangers = std::thread::spawn({
        let turned_away = Arc::clone(&turned_away);
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut knocking = tokio::task::JoinSet::new();
                for _ in 0..AT_ONCE {
                    knocking.spawn(knock(place.clone(), Arc::clone(&greetings), until));
                }
                while let Some(refused) = knocking.join_next().await {
                    turned_away.fetch_add(refused.unwrap(), SeqCst);
                }
            });
        }
    });
    tokio::time::sleep(WARM).await;
    let warm = hub.resident_bytes();
    tokio::task::spawn_blocking(move || strangers.join().unwrap()).await.unwrap();
    let end = hub.resident_bytes();
    stop.store(true, SeqCst);
    let (sent, refused) = (sending.await.unwrap(), turned_away.load(SeqCst));
    println!("{refused} turned away; {} MiB, then {} MiB; {sent} messages", warm / MIB, end / MIB);
    assert!(end <= warm + GROWTH_BYTES_MAX, "memory grew from {} to {} MiB", warm / MIB, end / MIB);
    let status = rest.send("GET", "/skerry/v1/status", &[], "").await.body;
    let figure = |name: &str| status["figures"][name].as_u64();
    assert_eq!(figure("mqtt_refused_unauthorised"), Some(refused));
    assert_eq!((figure("mqtt_accepted"), figure("mqtt_publishes")), (Some(1), Some(sent)));
    hub.assert_up();
    hub.stop();
}
