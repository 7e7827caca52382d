use bytes::Bytes;
use skerry_front::device::{Command, Input, Lease, Order, Settlement};
use skerry_model::message::{Message, SystemProperties};
use skerry_model::{IdentityId, Timestamp};
use skerry_mqtt::packet::{Ack, Connect, Packet, Qos};

use super::client::{connect, subscribe};
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
        input: None,
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

#[tokio::test]
async fn what_came_by_a_route_is_told_with_its_input_and_its_sender() {
    let world = World::start();
    let connect = Connect {
        client_id: "d1/m1".into(),
        user_name: Some("hub1.iot.test/d1/m1/?api-version=2021-04-12".into()),
        ..connect("good")
    };
    let (mut raw, _) = world.device_with(connect).await;
    raw.send(&[subscribe(1, &[("devices/d1/modules/m1/#", Qos::AtLeastOnce)])]).await;
    raw.receive().await.unwrap();
    until("messages may come", || *world.devices.rooms.lock().unwrap() == [true]).await;
    let Order::Command(mut command) = command(1, false) else { unreachable!() };
    let from = IdentityId { device: "d1".parse().unwrap(), module: Some("m2".parse().unwrap()) };
    command.input = Some(Box::new(Input { name: "in".into(), from }));
    command.message.system = SystemProperties::default().into();
    world.devices.order(Order::Command(command));
    let Some(Packet::Publish(publish)) = raw.receive().await else { panic!() };
    assert_eq!(publish.topic.as_str(), "devices/d1/modules/m1/inputs/in/%24.cdid=d1&%24.cmid=m2");
    raw.send(&[Packet::Ack(Ack::puback(publish.packet_id.unwrap()))]).await;
    until("it is done", || *world.devices.settled.lock().unwrap() == [Lease(1)].map(completed)).await;
    world.stopped().await;
}
