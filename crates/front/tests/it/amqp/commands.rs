//! Commands, which are leases.

use std::collections::BTreeSet;

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{Event, LinkId, Offer};
use skerry_amqp::performative::{Fault, Outcome, ReceiverSettles, Role, SenderSettles};
use skerry_front::device::{Command, Input, Lease, Order, Settlement};
use skerry_model::message::{Ack, Message, SystemProperties};
use skerry_model::{IdentityId, Timestamp};

use super::client::{Peer, offer, sections};
use crate::world::{World, until};

const BOUND: &str = "/devices/d1/messages/deviceBound";

fn command(lease: u128, body: &[u8]) -> Order {
    let system = SystemProperties {
        message_id: Some("m".into()),
        ack: Some(Ack::Full),
        ..SystemProperties::default()
    };
    let message = Message {
        body: Bytes::copy_from_slice(body),
        system: system.into(),
        application: vec![("a".into(), "b".into())],
    };
    Order::Command(Box::new(Command {
        lease: Lease(lease),
        message,
        again: false,
        sequence: 9,
        enqueued: Timestamp::from_unix_seconds(1_780_000_000),
        deliveries: 2,
        input: None,
    }))
}

async fn bound(peer: &mut Peer, adjust: impl FnOnce(&mut Offer)) -> LinkId {
    let session = peer.session();
    let mut offer = offer("bound", Role::Receiver, BOUND);
    adjust(&mut offer);
    let (link, _) = peer.attach(session, offer).await;
    // Its credit has arrived when the answer to something later comes.
    assert!(peer.is_silent().await);
    link
}

fn settled(world: &World) -> Vec<(u128, Settlement)> {
    world.devices.settled.lock().unwrap().iter().map(|(lease, how)| (lease.0, *how)).collect()
}

#[tokio::test]
async fn a_command_is_written_as_clients_read_it() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |_| {}).await;
    world.devices.order(command(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff, b"go"));
    let delivery = peer.delivery(link).await;
    assert!(!delivery.is_settled);
    let tag =
        [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    assert_eq!(delivery.tag, tag[..], "a GUID as .NET orders it");
    let sections = sections(&delivery);
    let annotation = |name| sections.annotation(name).cloned();
    assert_eq!(annotation("iothub-enqueuedtime"), Some(Value::Timestamp(1_780_000_000_000)));
    assert_eq!(annotation("iothub-deliverycount"), Some(Value::Ubyte(2)));
    assert_eq!(annotation("x-opt-sequence-number"), Some(Value::Ulong(9)));
    let token = Value::string("00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(annotation("x-opt-lock-token"), Some(token));
    assert_eq!(sections.properties.message_id, Value::string("m"));
    assert_eq!(sections.properties.to, Value::string("/devices/d1/messages/devicebound"));
    assert_eq!(sections.property("iothub-ack"), Some(&Value::string("full")));
    assert_eq!(sections.property("a"), Some(&Value::string("b")));
    assert_eq!(sections.body_bytes().unwrap(), "go");
    world.stopped().await;
}

#[tokio::test]
async fn each_outcome_settles_the_command() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |_| {}).await;
    let rejected = Outcome::rejected(Fault::new("amqp:not-allowed", "no"));
    let modified = Outcome::Modified { is_failed: true, is_undeliverable: false };
    let table = [
        (Outcome::Accepted, Settlement::Complete),
        (rejected, Settlement::Reject),
        (Outcome::Rejected(None), Settlement::Reject),
        (Outcome::Released, Settlement::Abandon),
        (modified, Settlement::Abandon),
    ];
    for (lease, (outcome, expected)) in (1..).zip(table) {
        world.devices.order(command(lease, b"go"));
        let delivery = peer.delivery(link).await;
        peer.machine.settle(link, delivery.id, delivery.id, outcome);
        peer.flush().await;
        until("it is settled", || settled(&world).last() == Some(&(lease, expected))).await;
    }
    assert_eq!(settled(&world).len(), 5, "each once");
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn several_commands_are_settled_by_one_word() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |_| {}).await;
    (1..=3).for_each(|lease| world.devices.order(command(lease, b"go")));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(peer.delivery(link).await.id);
    }
    peer.machine.settle(link, ids[0], ids[2], Outcome::Accepted);
    peer.flush().await;
    until("all are done", || settled(&world).len() == 3).await;
    assert_eq!(settled(&world), [1, 2, 3].map(|lease| (lease, Settlement::Complete)));
    world.stopped().await;
}

#[tokio::test]
async fn a_command_on_a_settled_link_is_done_when_it_is_sent() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |offer| offer.sender_settles = SenderSettles::Settled).await;
    world.devices.order(command(5, b"go"));
    assert!(peer.delivery(link).await.is_settled);
    until("it is done", || settled(&world) == [(5, Settlement::Complete)]).await;
    world.stopped().await;
}

#[tokio::test]
async fn commands_are_asked_for_only_while_there_is_credit() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let rooms = || world.devices.rooms.lock().unwrap().clone();
    let link = bound(&mut peer, |offer| offer.window = 0).await;
    assert!(peer.is_silent().await);
    assert!(rooms().is_empty(), "no credit, no room");
    peer.machine.widen(link, 2);
    peer.flush().await;
    until("there is room", || rooms() == [true]).await;
    world.devices.order(command(1, b"go"));
    world.devices.order(command(2, b"go"));
    let first = peer.delivery(link).await;
    peer.delivery(link).await;
    until("there is none", || rooms() == [true, false]).await;
    // What comes all the same is given back.
    world.devices.order(command(3, b"go"));
    until("it is given back", || settled(&world) == [(3, Settlement::GiveBack)]).await;
    peer.machine.settle(link, first.id, first.id, Outcome::Accepted);
    peer.flush().await;
    until("there is room again", || rooms() == [true, false, true]).await;
    world.stopped().await;
}

#[tokio::test]
async fn no_more_commands_are_held_than_the_bound() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |offer| offer.window = 1000).await;
    (0..80).for_each(|lease| world.devices.order(command(lease, b"go")));
    for _ in 0..64 {
        peer.delivery(link).await;
    }
    until("the rest is given back", || settled(&world).len() == 16).await;
    let given: BTreeSet<_> = settled(&world).into_iter().map(|(lease, _)| lease).collect();
    assert_eq!(given, (64..80).collect());
    assert_eq!(*world.devices.rooms.lock().unwrap(), [true, false]);
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn what_is_held_goes_back_when_the_link_goes() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let telemetry = peer.sender("/devices/d1/messages/events").await;
    let link = bound(&mut peer, |_| {}).await;
    (1..=2).for_each(|lease| world.devices.order(command(lease, b"go")));
    peer.delivery(link).await;
    peer.delivery(link).await;
    peer.machine.detach(link, None);
    peer.flush().await;
    until("both are given back", || settled(&world).len() == 2).await;
    assert!(settled(&world).iter().all(|(_, how)| *how == Settlement::GiveBack));
    assert_eq!(*world.devices.rooms.lock().unwrap(), [true, false]);
    assert_eq!(*world.devices.gone.borrow(), 0, "the device has another link");
    // They come again on the next link.
    let link = bound(&mut peer, |_| {}).await;
    until("there is room", || world.devices.rooms.lock().unwrap().len() == 3).await;
    world.devices.order(command(1, b"go"));
    let delivery = peer.delivery(link).await;
    peer.machine.settle(link, delivery.id, delivery.id, Outcome::Accepted);
    peer.machine.detach(telemetry, None);
    peer.machine.detach(link, None);
    peer.flush().await;
    until("the device is gone", || *world.devices.gone.borrow() == 1).await;
    assert_eq!(settled(&world).len(), 3);
    world.stopped().await;
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_sessions_of_its_devices() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1", "d2"]).await;
    let link = bound(&mut peer, |_| {}).await;
    peer.sender("/devices/d2/messages/events").await;
    world.devices.order_to("d1", command(1, b"go"));
    peer.delivery(link).await;
    drop(peer);
    // The end of a session gives back what it holds.
    until("both are gone", || *world.devices.gone.borrow() == 2).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_command_larger_than_the_client_takes_counts_as_failed() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |offer| offer.message_bytes_max = 1000).await;
    world.devices.order(command(1, &[b'x'; 2000]));
    world.devices.order(command(2, b"small"));
    until("it failed", || settled(&world) == [(1, Settlement::Abandon)]).await;
    assert_eq!(sections(&peer.delivery(link).await).body_bytes().unwrap(), "small");
    world.stopped().await;
}

#[tokio::test]
async fn the_newest_link_for_commands_gets_them() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let old = bound(&mut peer, |_| {}).await;
    let new = bound(&mut peer, |_| {}).await;
    world.devices.order(command(1, b"go"));
    let came = peer.wait(|event| matches!(event, Event::Delivery { .. })).await;
    assert!(matches!(came, Event::Delivery { link, .. } if link == new));
    peer.machine.detach(old, None);
    assert!(peer.is_silent().await);
    world.devices.order(command(2, b"go"));
    peer.delivery(new).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_client_in_the_second_mode_hears_what_its_word_was_worth() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = bound(&mut peer, |offer| offer.receiver_settles = ReceiverSettles::Second).await;
    world.devices.lost.lock().unwrap().push(Lease(2));
    for (lease, outcome, expected) in [
        (1, Outcome::Accepted, Outcome::Accepted),
        (2, Outcome::Accepted, Outcome::Rejected(None)),
        (3, Outcome::Released, Outcome::Released),
    ] {
        world.devices.order(command(lease, b"go"));
        let delivery = peer.delivery(link).await;
        // Tokens have the first channel, commands the second.
        peer.propose(1, delivery.id, outcome);
        let agreed = peer.agreed().await;
        assert_eq!((agreed.first, agreed.last, agreed.is_settled), (delivery.id, Some(delivery.id), true));
        match (agreed.state, expected) {
            (Some(Outcome::Rejected(Some(fault))), Outcome::Rejected(_)) => {
                assert_eq!(fault.condition.as_str(), "com.microsoft:message-lock-lost");
            }
            (said, expected) => assert_eq!(said, Some(expected)),
        }
    }
    world.stopped().await;
}

#[tokio::test]
async fn what_came_by_a_route_goes_to_the_link_of_the_modules_inputs() {
    let world = World::start();
    let mut peer = world.amqp().await;
    peer.put_token("hub1.iot.test/devices/d1/modules/m1", "good").await;
    let session = peer.session();
    let inputs = offer("inputs", Role::Receiver, "/devices/d1/modules/m1/messages/events");
    let (link, _) = peer.attach(session, inputs).await;
    assert!(peer.is_silent().await);
    until("messages may come", || *world.devices.rooms.lock().unwrap() == [true]).await;
    let Order::Command(mut command) = command(7, b"go") else { unreachable!() };
    let from = IdentityId { device: "leaf".parse().unwrap(), module: None };
    command.input = Some(Box::new(Input { name: "in".into(), from }));
    world.devices.order(Order::Command(command));
    let delivery = peer.delivery(link).await;
    let sections = sections(&delivery);
    let annotation = |name| sections.annotation(name).cloned();
    assert_eq!(annotation("x-opt-input-name"), Some(Value::string("in")));
    assert_eq!(annotation("iothub-connection-device-id"), Some(Value::string("leaf")));
    assert_eq!(annotation("iothub-connection-module-id"), None);
    peer.machine.settle(link, delivery.id, delivery.id, Outcome::Accepted);
    peer.flush().await;
    until("it is settled", || settled(&world) == [(7, Settlement::Complete)]).await;
    world.stopped().await;
}
