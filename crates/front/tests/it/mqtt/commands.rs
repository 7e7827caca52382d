use bytes::Bytes;
use skerry_front::device::{Command, Lease, Order, Settlement};
use skerry_model::Timestamp;
use skerry_model::message::{Message, SystemProperties};
use skerry_mqtt::packet::{Ack, Packet, Qos};

use super::client::subscribe;
use crate::world::{World, until};

const COMMANDS: &str = "devices/d1/messages/devicebound/#";

fn completed(lease: Lease) -> (Lease, Settlement) {
    (lease, Settlement::Complete)
}

fn command(lease: u128, again: bool) -> Order {
    let system = SystemProperties { to: Some("/devices/d1".into()), ..SystemProperties::default() };
    let message = Message { body: Bytes::from_static(b"go"), system: system.into(), application: Vec::new() };
    Order::Command(Box::new(Command {
        lease: Lease(lease),
        message,
        again,
        sequence: 0,
        enqueued: Timestamp::NEVER,
        deliveries: 0,
    }))
}

#[tokio::test]
async fn a_command_is_done_when_the_client_acknowledges_it() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    assert!(world.devices.rooms.lock().unwrap().is_empty(), "nobody listens yet");
    raw.send(&[subscribe(1, &[(COMMANDS, Qos::AtLeastOnce)])]).await;
    assert!(matches!(raw.receive().await, Some(Packet::Suback(_))));
    until("commands may come", || *world.devices.rooms.lock().unwrap() == [true]).await;
    world.devices.order(command(1, false));
    world.devices.order(command(2, true));
    let mut ids = Vec::new();
    for again in [false, true] {
        let Some(Packet::Publish(publish)) = raw.receive().await else { panic!() };
        assert_eq!(publish.topic.as_str(), "devices/d1/messages/devicebound/%24.to=%2Fdevices%2Fd1");
        assert_eq!((publish.dup, publish.payload.as_ref()), (again, &b"go"[..]));
        ids.push(publish.packet_id.unwrap());
    }
    assert!(world.devices.settled.lock().unwrap().is_empty());
    raw.send(&[Packet::Ack(Ack::puback(ids[1])), Packet::Ack(Ack::puback(ids[0]))]).await;
    until("both are done", || *world.devices.settled.lock().unwrap() == [Lease(2), Lease(1)].map(completed))
        .await;
    world.stopped().await;
}

#[tokio::test]
async fn a_command_without_acknowledgement_is_done_when_it_is_sent() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    raw.send(&[subscribe(1, &[(COMMANDS, Qos::AtMostOnce)])]).await;
    raw.receive().await.unwrap();
    world.devices.order(command(5, false));
    let Some(Packet::Publish(publish)) = raw.receive().await else { panic!() };
    assert_eq!(publish.packet_id, None);
    until("it is done", || *world.devices.settled.lock().unwrap() == [Lease(5)].map(completed)).await;
    world.stopped().await;
}

#[tokio::test]
async fn no_more_commands_are_asked_for_than_may_be_under_way() {
    let world = World::with(|options| options.mqtt_limits.machine.window = 2);
    let (mut raw, _) = world.device().await;
    raw.send(&[subscribe(1, &[(COMMANDS, Qos::AtLeastOnce)])]).await;
    raw.receive().await.unwrap();
    world.devices.order(command(1, false));
    world.devices.order(command(2, false));
    let Some(Packet::Publish(first)) = raw.receive().await else { panic!() };
    until("there is no room", || *world.devices.rooms.lock().unwrap() == [true, false]).await;
    raw.send(&[Packet::Ack(Ack::puback(first.packet_id.unwrap()))]).await;
    until("there is room", || *world.devices.rooms.lock().unwrap() == [true, false, true]).await;
    world.stopped().await;
}
