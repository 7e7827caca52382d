//! When the disk stands still, memory does not grow.

use skerry_mqtt::packet::{Ack, Packet};

use super::client::{Raw, bytes, id, publish, telemetry};
use crate::world::{World, until};

const ALL: usize = 400_000;
const ONE: usize = 100_000;
const MESSAGES: u16 = 300;

#[tokio::test]
async fn a_disk_that_stands_still_stops_reading_and_other_questions_are_answered() {
    let world = World::with(|options| {
        options.ingest_bytes_max = ALL;
        options.mqtt_limits.unacknowledged_bytes_max = ONE;
    });
    let (mut witness, _) = world.device().await;
    world.devices.is_stuck.send_replace(true);
    let mut writers = Vec::new();
    for _ in 0..8 {
        let (mut raw, _) = world.device().await;
        let payload = "x".repeat(1000);
        let packets: Vec<Packet> = (1..=MESSAGES).map(|number| telemetry(number, &payload)).collect();
        let bytes = bytes(&packets);
        writers.push(tokio::spawn(async move {
            // More than the sockets hold, so that it only ends when all is read.
            raw.send_bytes(&bytes).await;
            raw
        }));
    }
    let figures = world.handle.figures();
    until("the room is taken", || figures.mqtt_waits_for_room.get() >= 2).await;
    assert!(figures.ingest_bytes.get() <= ALL as u64);
    witness.send(&[publish("$iothub/twin/GET/?$rid=1", None, "")]).await;
    assert!(matches!(witness.receive().await, Some(Packet::Publish(_))), "twins are still answered");
    let taken: usize = world.devices.bodies.lock().unwrap().iter().map(bytes::Bytes::len).sum();
    assert!(taken <= ALL, "{taken}");
    world.devices.is_stuck.send_replace(false);
    for writer in writers {
        let mut raw: Raw = writer.await.unwrap();
        for number in 1..=MESSAGES {
            assert_eq!(raw.receive().await, Some(Packet::Ack(Ack::puback(id(number)))));
        }
    }
    assert_eq!(world.devices.bodies.lock().unwrap().len(), 8 * usize::from(MESSAGES));
    until("all room is given back", || figures.ingest_bytes.get() == 0).await;
    world.stopped().await;
}
