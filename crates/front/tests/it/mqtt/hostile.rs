//! Every mistake has its answer, and costs nobody else anything.

use std::time::Duration;

use bytes::Bytes;
use skerry_mqtt::packet::{Ack, Packet, Publish, Qos, Text};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::client::{Raw, bytes, connect, id, publish, subscribe, telemetry};
use crate::world::{World, until};

#[tokio::test]
async fn who_breaks_the_protocol_is_closed_and_others_are_served() {
    let world = World::start();
    let (mut witness, _) = world.device().await;
    let hello = || Packet::Connect(Box::new(connect("good")));
    let exactly_once = Packet::Publish(Publish {
        dup: false,
        qos: Qos::ExactlyOnce,
        retain: false,
        topic: Text::from("devices/d1/messages/events/"),
        packet_id: Some(id(1)),
        payload: Bytes::new(),
    });
    let behind_connect = |wrong: Vec<u8>| [bytes(&[hello()]), wrong].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("zeros", vec![0; 64]),
        ("a publish first", bytes(&[telemetry(1, "x")])),
        ("a ping first", bytes(&[Packet::Pingreq])),
        ("a second connect", behind_connect(bytes(&[hello()]))),
        ("quality of service 2", behind_connect(bytes(&[exactly_once]))),
        ("a server's packet", behind_connect(bytes(&[Packet::Pingresp]))),
        (
            "another device's topic",
            behind_connect(bytes(&[publish("devices/d2/messages/events/", None, "")])),
        ),
        ("a topic of nobody", behind_connect(bytes(&[publish("hello", Some(1), "")]))),
        ("a wrong bag", behind_connect(bytes(&[publish("devices/d1/messages/events/a=%ff", None, "")]))),
        ("another device's commands", {
            behind_connect(bytes(&[subscribe(1, &[("devices/d2/messages/devicebound/#", Qos::AtLeastOnce)])]))
        }),
        ("everything", behind_connect(bytes(&[subscribe(1, &[("#", Qos::AtLeastOnce)])]))),
        ("a length without end", behind_connect(vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01])),
        ("a packet that is too long", behind_connect(vec![0x30, 0xff, 0xff, 0xff, 0x7f])),
        ("a subscription to nothing", behind_connect(vec![0x82, 2, 0, 1])),
        ("a message that is not kept", behind_connect(bytes(&[telemetry(1, "poison")]))),
    ];
    let count = table.len() as u64;
    for (what, wrong) in table {
        let mut raw = world.stranger().await;
        raw.send_bytes(&wrong).await;
        while let Some(packet) = raw.receive().await {
            assert!(matches!(packet, Packet::Connack(_)), "{what}: {packet:?}");
        }
        assert!(witness.is_silent().await, "{what}");
    }
    let figures = world.handle.figures();
    until("all are gone", || figures.mqtt_open.get() == 1).await;
    assert_eq!(figures.mqtt_broken.get() + figures.mqtt_publishes_refused.get(), count);
    witness.send(&[telemetry(7, "still here")]).await;
    assert_eq!(witness.receive().await, Some(Packet::Ack(Ack::puback(id(7)))));
    world.stopped().await;
}

#[tokio::test]
async fn what_came_before_a_mistake_is_kept() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    raw.send(&[telemetry(1, "good"), publish("hello", None, "")]).await;
    assert!(raw.is_closed().await);
    until("the first is kept", || *world.devices.bodies.lock().unwrap() == ["good"]).await;
    world.stopped().await;
}

#[tokio::test]
async fn what_came_in_the_same_read_before_a_wrong_length_is_kept() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    let endless = [0x30, 0xff, 0xff, 0xff, 0xff, 0x01];
    raw.send_bytes(&[&bytes(&[telemetry(1, "good"), telemetry(2, "too")])[..], &endless].concat()).await;
    while let Some(packet) = raw.receive().await {
        assert!(matches!(packet, Packet::Ack(_)), "{packet:?}");
    }
    until("both are kept", || *world.devices.bodies.lock().unwrap() == ["good", "too"]).await;
    assert_eq!(world.handle.figures().mqtt_broken.get(), 1);
    world.stopped().await;
}

#[tokio::test]
async fn who_says_nothing_is_closed() {
    let world = World::with(|options| {
        options.mqtt_limits.machine.connect_timeout = Duration::from_millis(100);
        options.mqtt_limits.machine.silence_max = Duration::from_millis(100);
    });
    let mut stranger = world.stranger().await;
    assert!(stranger.is_closed().await);
    let mut half = world.stranger().await;
    half.send_bytes(&bytes(&[Packet::Connect(Box::new(connect("good")))])[..9]).await;
    assert!(half.is_closed().await);
    let (mut silent, _) = world.device().await;
    assert!(silent.is_closed().await);
    until("it is counted", || world.handle.figures().mqtt_silent.get() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn garbage_before_tls_is_no_connection() {
    let world = World::start();
    let mut tcp = TcpStream::connect(world.handle.mqtt_address().unwrap()).await.unwrap();
    tcp.write_all(&bytes(&[Packet::Connect(Box::new(connect("good")))])).await.unwrap();
    until("it is refused", || world.handle.figures().handshakes_failed.get() == 1).await;
    assert!(world.devices.claims.lock().unwrap().is_empty());
    world.stopped().await;
}

#[tokio::test]
async fn who_does_not_read_is_closed() {
    let world = World::with(|options| options.mqtt_limits.write_timeout = Duration::from_millis(200));
    let (mut raw, _) = world.device().await;
    let payload = Bytes::from(vec![b'x'; 100_000]);
    let call = || skerry_front::device::Call { id: "1".into(), method: "m".into(), payload: payload.clone() };
    for _ in 0..400 {
        world.devices.order(skerry_front::device::Order::Call(call()));
    }
    until("it is closed", || world.handle.figures().mqtt_writes_stalled.get() == 1).await;
    until("the session is over", || *world.devices.gone.borrow() == 1).await;
    let (mut other, _) = world.device().await;
    assert!(other.receive().await.is_some(), "the next one gets what was left");
    drop(raw.receive().await);
    world.stopped().await;
}

#[tokio::test]
async fn a_packet_may_come_byte_by_byte() {
    let world = World::start();
    let mut raw: Raw = world.stranger().await;
    for byte in bytes(&[Packet::Connect(Box::new(connect("good"))), telemetry(3, "slow")]) {
        raw.send_bytes(&[byte]).await;
    }
    assert!(matches!(raw.receive().await, Some(Packet::Connack(_))));
    assert_eq!(raw.receive().await, Some(Packet::Ack(Ack::puback(id(3)))));
    world.stopped().await;
}
