//! A disk that stands still for a while, under the real binary: nothing is acknowledged, what does not
//! need it goes on, memory keeps its bounds, and nothing is lost.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use skerry_mqtt::client::Event;
use skerry_mqtt::packet::{Filter, Qos, Text};
use skerry_uplink::{Client, Identity};

use crate::client;
use crate::mqtt::{PATIENCE, connect, identity};
use crate::preload;
use crate::process::Hub;
use crate::telemetry::monitored;

const HELD: Duration = Duration::from_secs(10);
const PUBLISHERS: usize = 150;
/// What each has to say is more than one connection may have under way, and all of it more than all may.
const MESSAGES: usize = 45;
const MESSAGE_BYTES: usize = 32 << 10;
const MIB: u64 = 1 << 20;
const INGEST_BYTES_MAX: u64 = 128 * MIB;

struct World {
    hub: Hub,
    rest: client::Client,
    hold: PathBuf,
    acknowledged: Arc<AtomicUsize>,
}

impl World {
    async fn figure(&self, name: &str) -> u64 {
        let status = self.rest.send("GET", "/skerry/v1/status", &[], "").await.body;
        status["figures"][name].as_u64().unwrap_or_else(|| panic!("{name} in {status}"))
    }

    async fn device(&self, id: &str) -> Identity {
        let body = format!(r#"{{"deviceId":"{id}"}}"#);
        identity(&self.rest.send("PUT", &format!("/devices/{id}"), &[], body).await.body)
    }

    /// Says all it has to say as fast as it may, and ends when all of it is acknowledged.
    async fn publisher(&self, number: usize) -> impl Future<Output = ()> + Send + use<> {
        let identity = self.device(&format!("d{number}")).await;
        let mut client: Client<()> = connect(&self.hub, &identity, true).await;
        let topic = Text::from(format!("devices/d{number}/messages/events/").as_str());
        let acknowledged = Arc::clone(&self.acknowledged);
        async move {
            let (mut sent, mut kept) = (0, 0);
            while kept < MESSAGES {
                while sent < MESSAGES && client.has_room() {
                    let body = format!("{sent}:{}", "x".repeat(MESSAGE_BYTES));
                    client.publish(topic.clone(), Bytes::from(body), ()).unwrap();
                    sent += 1;
                }
                // Looks after its buffer now and then, from which nothing but writing makes room.
                match tokio::time::timeout(Duration::from_millis(50), client.event()).await {
                    Ok(event) => assert_eq!(event.unwrap(), Event::Published(())),
                    Err(_) => continue,
                }
                kept += 1;
                acknowledged.fetch_add(1, SeqCst);
            }
        }
    }
}

/// A device with a question that needs no disk.
async fn ask_for_twin(client: &mut Client<()>, number: u32) {
    let question = format!("$iothub/twin/GET/?$rid={number}");
    client.send(Text::from(question.as_str()), Bytes::new()).unwrap();
    match tokio::time::timeout(PATIENCE, client.event()).await.expect("the twin is answered").unwrap() {
        Event::Message(answer) => {
            assert_eq!(answer.topic.as_str(), format!("$iothub/twin/res/200/?$rid={number}"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_stands_still_nothing_is_acknowledged_and_afterwards_everything() {
    let folder = tempfile::tempdir().unwrap();
    let hold = folder.path().join("hold");
    let library = preload::library(folder.path(), "held_disk", include_str!("held_disk.c"));
    let variables = [("LD_PRELOAD", library.as_path()), ("SKERRY_TEST_HOLD", hold.as_path())];
    let hub = Hub::start_under(&folder.path().join("data"), &variables);
    let rest = client::Client::new(&hub);
    let mut world = World { hub, rest, hold, acknowledged: Arc::default() };
    let mut witness: Client<()> = connect(&world.hub, &world.device("witness").await, true).await;
    let answers = (Filter::new(Text::from("$iothub/twin/res/#")).unwrap(), Qos::AtMostOnce);
    witness.subscribe(vec![answers]).unwrap();
    assert!(matches!(witness.event().await.unwrap(), Event::Subscribed { .. }));
    ask_for_twin(&mut witness, 0).await;
    let mut publishers = Vec::new();
    for number in 0..PUBLISHERS {
        publishers.push(world.publisher(number).await);
    }

    let before = world.hub.resident_bytes();
    fs::write(&world.hold, "").unwrap();
    let publishers: Vec<_> = publishers.into_iter().map(tokio::spawn).collect();
    let began = Instant::now();
    while world.figure("mqtt_waits_for_room").await == 0 {
        assert!(began.elapsed() < PATIENCE, "there is room for everything");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (full, held, mut number) = (world.hub.resident_bytes(), Instant::now(), 1);
    while held.elapsed() < HELD {
        ask_for_twin(&mut witness, number).await;
        number += 1;
        assert_eq!(world.acknowledged.load(SeqCst), 0);
        assert!(world.figure("ingest_bytes").await <= INGEST_BYTES_MAX);
        let now = world.hub.resident_bytes();
        assert!(now <= full + 32 * MIB, "memory grew from {} to {} MiB", full / MIB, now / MIB);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    println!("{} MiB before, {} MiB when it was full", before / MIB, full / MIB);
    assert!(world.hub.peak_bytes() <= before + 2 * INGEST_BYTES_MAX, "what is not read needs no memory");
    fs::remove_file(&world.hold).unwrap();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert_eq!(world.acknowledged.load(SeqCst), PUBLISHERS * MESSAGES);
    world.hub.assert_up();
    for device in ["d0", "d77", "d149"] {
        let last = format!("\"{}:", MESSAGES - 1);
        let lines = monitored(&world.hub, &["--json", "--device", device], &last);
        let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let bodies: Vec<String> =
            events.filter_map(|event| Some(event["body"].as_str()?.split(':').next()?.to_owned())).collect();
        let expected: HashSet<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
        assert_eq!(bodies.len(), MESSAGES);
        assert_eq!(bodies.into_iter().collect::<HashSet<_>>(), expected, "{device}");
    }
    world.hub.stop();
}
