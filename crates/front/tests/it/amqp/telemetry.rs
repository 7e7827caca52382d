//! Messages of devices.

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{Event, Outgoing};
use skerry_amqp::message::{BATCH_FORMAT, Properties, Writer};
use skerry_amqp::performative::{Outcome, Role, SenderSettles, condition};

use super::client::{body, offer, unsettled};
use crate::world::{World, until};

const EVENTS: &str = "/devices/d1/messages/events";

fn condition_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected(Some(fault)) => fault.condition.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_property_of_a_message_arrives() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender("amqps://hub1.iot.test:5671/devices/d1/messages/events/").await;
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.annotations().symbol_text("x-unknown", "of the way").symbol_text("iothub-interface-id", "i");
    writer.properties(&Properties {
        message_id: Value::string("m1"),
        correlation_id: Value::Uuid([0xab; 16]),
        content_type: skerry_amqp::codec::Symbol::new(Bytes::from_static(b"application/json")),
        ..Properties::default()
    });
    writer.application().string_text("a", "b").string("n", &Value::Int(-5));
    writer.data(b"{}");
    assert_eq!(peer.deliver(sender, out).await, Outcome::Accepted);
    let messages = world.devices.messages.lock().unwrap().clone();
    let system = &messages[0].system;
    assert_eq!(system.message_id.as_deref(), Some("m1"));
    assert_eq!(system.correlation_id.as_deref(), Some("abababab-abab-abab-abab-abababababab"));
    assert_eq!(system.content_type.as_deref(), Some("application/json"));
    assert_eq!(system.interface_id.as_deref(), Some("i"));
    let application: Vec<_> =
        messages[0].application.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(application, [("a", "b"), ("n", "-5")]);
    assert_eq!(messages[0].body, "{}");
    world.stopped().await;
}

#[tokio::test]
async fn a_batch_is_many_messages_and_has_one_outcome() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender(EVENTS).await;
    let batch = |bodies: &[&[u8]]| {
        let mut out = Vec::new();
        bodies.iter().for_each(|inner| Writer::new(&mut out).data(&body(inner)));
        Outgoing { format: BATCH_FORMAT, ..unsettled(out) }
    };
    let delivery = peer.send(sender, batch(&[b"one", b"two", b"three"])).await;
    assert_eq!(peer.outcome(sender, delivery).await, Outcome::Accepted);
    assert_eq!(*world.devices.bodies.lock().unwrap(), ["one", "two", "three"]);
    let large = vec![b'x'; 300 << 10];
    let delivery = peer.send(sender, batch(&[b"four", &large])).await;
    assert_eq!(condition_of(&peer.outcome(sender, delivery).await), condition::MESSAGE_SIZE_EXCEEDED);
    let mut out = Vec::new();
    Writer::new(&mut out).data(b"no message");
    let delivery = peer.send(sender, Outgoing { format: BATCH_FORMAT, ..unsettled(out) }).await;
    assert_eq!(condition_of(&peer.outcome(sender, delivery).await), "com.microsoft:argument-error");
    assert_eq!(world.devices.bodies.lock().unwrap().len(), 3, "all of a batch or nothing");
    world.stopped().await;
}

#[tokio::test]
async fn a_message_of_256_kilobytes_arrives_in_many_frames() {
    let world = World::with(|options| {
        options.amqp_limits.machine.frame_bytes_max = 4096;
        options.amqp_limits.machine.window = 10;
    });
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender(EVENTS).await;
    let large: Vec<u8> = (0..250_000_u32).map(|number| number as u8).collect();
    for _ in 0..3 {
        assert_eq!(peer.deliver(sender, body(&large)).await, Outcome::Accepted);
    }
    let bodies = world.devices.bodies.lock().unwrap().clone();
    assert!(bodies.len() == 3 && bodies.iter().all(|came| *came == large[..]));
    world.stopped().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_link_lives_on() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender(EVENTS).await;
    // All in one piece, so that they are kept together.
    let first = peer.machine.send(sender, unsettled(body(b"first"))).unwrap();
    let large = peer.machine.send(sender, unsettled(body(&vec![b'x'; 300 << 10]))).unwrap();
    let last = peer.machine.send(sender, unsettled(body(b"last"))).unwrap();
    assert_eq!(condition_of(&peer.outcome(sender, large).await), condition::MESSAGE_SIZE_EXCEEDED);
    assert_eq!(peer.outcome(sender, first).await, Outcome::Accepted);
    assert_eq!(peer.outcome(sender, last).await, Outcome::Accepted);
    assert_eq!(*world.devices.bodies.lock().unwrap(), ["first", "last"]);
    assert_eq!(peer.deliver(sender, &b"garbage"[..]).await, {
        let outcome = peer.deliver(sender, &b"garbage"[..]).await;
        assert_eq!(condition_of(&outcome), "com.microsoft:argument-error");
        outcome
    });
    // More than was announced is no message any more: the link ends.
    peer.machine.send(sender, unsettled(vec![0; 1 << 20])).unwrap();
    let other = peer.sender(EVENTS).await;
    peer.machine.send(other, unsettled(body(&vec![0; (1 << 20) - 10]))).unwrap();
    peer.ready(other).await;
    assert_eq!(peer.deliver(other, body(b"still here")).await, Outcome::Accepted);
    world.stopped().await;
}

#[tokio::test]
async fn an_outcome_comes_when_the_message_is_kept_and_in_runs() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender(EVENTS).await;
    world.devices.is_stuck.send_replace(true);
    let mut sent = Vec::new();
    for number in 0..50 {
        let settled = number == 20;
        let outgoing = Outgoing { is_settled: settled, ..unsettled(body(format!("{number}").as_bytes())) };
        let delivery = peer.machine.send(sender, outgoing).unwrap();
        if !settled {
            sent.push(delivery);
        }
    }
    assert!(peer.is_silent().await, "nothing is kept yet");
    until("all were taken", || world.devices.bodies.lock().unwrap().len() == 50).await;
    world.devices.is_stuck.send_replace(false);
    for delivery in sent {
        assert_eq!(peer.outcome(sender, delivery).await, Outcome::Accepted);
    }
    let bodies = world.devices.bodies.lock().unwrap().clone();
    assert!(bodies.iter().enumerate().all(|(at, body)| *body == format!("{at}")), "in their order");
    assert_eq!(world.handle.figures().amqp_messages.get(), 50);
    world.stopped().await;
}

#[tokio::test]
async fn what_the_service_does_not_keep_is_told_and_the_link_lives_on() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender(EVENTS).await;
    assert_eq!(condition_of(&peer.deliver(sender, body(b"poison")).await), "com.microsoft:argument-error");
    let throttled = peer.deliver(sender, body(b"too much")).await;
    assert_eq!(condition_of(&throttled), "com.microsoft:device-container-throttled");
    assert_eq!(peer.deliver(sender, body(b"good")).await, Outcome::Accepted);
    assert_eq!(world.handle.figures().amqp_messages_refused.get(), 2);
    world.stopped().await;
}

#[tokio::test]
async fn settled_messages_give_their_room_back() {
    let world = World::with(|options| options.amqp_limits.window = 4);
    let mut peer = world.amqp_of(&["d1"]).await;
    let session = peer.session();
    let mut offer = offer("link", Role::Sender, EVENTS);
    offer.sender_settles = SenderSettles::Settled;
    let (sender, _) = peer.attach(session, offer).await;
    for number in 0..30 {
        let payload = body(format!("{number}").as_bytes());
        peer.send(sender, Outgoing { is_settled: true, ..unsettled(payload) }).await;
    }
    peer.flush().await;
    until("all came", || world.devices.bodies.lock().unwrap().len() == 30).await;
    assert!(peer.left().iter().all(|event| matches!(event, Event::Credit { .. })));
    world.stopped().await;
}

#[tokio::test]
async fn devices_share_a_connection_with_links_of_the_same_names() {
    let world = World::start();
    let devices = ["d1", "d2", "d3", "d4"];
    let mut peer = world.amqp_of(&devices).await;
    let mut links = Vec::new();
    for device in devices {
        let session = peer.session();
        let address = format!("/devices/{device}/messages/events");
        let (sender, _) = peer.attach(session, offer("TelemetrySenderLink", Role::Sender, &address)).await;
        peer.ready(sender).await;
        links.push(sender);
    }
    for _ in 0..3 {
        let sent: Vec<_> = links
            .iter()
            .map(|link| (*link, peer.machine.send(*link, unsettled(body(b"hello"))).unwrap()))
            .collect();
        for (link, delivery) in sent {
            assert_eq!(peer.outcome(link, delivery).await, Outcome::Accepted);
        }
    }
    assert_eq!(world.devices.claims.lock().unwrap().len(), 4);
    // One leaves with its session, and the rest stay.
    peer.machine.end(links[0].session(), None);
    peer.flush().await;
    until("it is gone", || world.devices.has_left("d1")).await;
    assert_eq!(*world.devices.gone.borrow(), 1);
    for link in &links[1..] {
        assert_eq!(peer.deliver(*link, body(b"still here")).await, Outcome::Accepted);
    }
    world.stopped().await;
}

#[tokio::test]
async fn what_was_sent_before_the_client_went_is_kept() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender(EVENTS).await;
    world.devices.is_stuck.send_replace(true);
    for number in 0..5 {
        peer.machine.send(sender, unsettled(body(format!("{number}").as_bytes()))).unwrap();
    }
    peer.flush().await;
    drop(peer);
    until("all were taken", || world.devices.bodies.lock().unwrap().len() == 5).await;
    assert_eq!(*world.devices.gone.borrow(), 0, "its messages are waited for");
    world.devices.is_stuck.send_replace(false);
    until("it is gone", || *world.devices.gone.borrow() == 1).await;
    world.stopped().await;
}
