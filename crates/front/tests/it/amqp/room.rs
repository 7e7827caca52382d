//! When the disk stands still, or the client, memory does not grow.

use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::connection::{Event, Options};
use skerry_amqp::performative::{Flow, Outcome, Performative, Role, condition};
use skerry_front::device::{Command, Lease, Order, Settlement};
use skerry_front::link::Item;
use skerry_model::Timestamp;
use skerry_model::message::{Message, System};

use super::client::{Peer, body, offer, options, unsettled};
use crate::world::{World, until};

const ALL: usize = 400_000;
const ONE: usize = 100_000;
const MESSAGES: usize = 300;
const EVENTS: &str = "/devices/d1/messages/events";
const READER: &str = "hub1/ConsumerGroups/$Default/Partitions/0";

#[tokio::test]
async fn a_disk_that_stands_still_stops_reading_and_other_questions_are_answered() {
    let world = World::with(|options| {
        options.ingest_bytes_max = ALL;
        options.amqp_limits.unacknowledged_bytes_max = ONE;
    });
    let mut witness = world.amqp_of(&["d1"]).await;
    world.devices.is_stuck.send_replace(true);
    let mut writers = Vec::new();
    for _ in 0..8 {
        let mut peer = world.amqp_of(&["d1"]).await;
        let link = peer.sender(EVENTS).await;
        let payload = Bytes::from(body(&[b'x'; 1000]));
        let send = |peer: &mut Peer| peer.machine.send(link, unsettled(payload.clone())).unwrap();
        let deliveries: Vec<_> = (0..MESSAGES).map(|_| send(&mut peer)).collect();
        writers.push(tokio::spawn(async move {
            peer.flush().await;
            (peer, link, deliveries)
        }));
    }
    let figures = world.handle.figures();
    until("the room is taken", || figures.amqp_waits_for_room.get() >= 2).await;
    assert!(figures.ingest_bytes.get() <= ALL as u64);
    assert!(witness.is_silent().await, "tokens are still answered");
    let taken: usize = world.devices.bodies.lock().unwrap().iter().map(Bytes::len).sum();
    assert!(taken <= ALL, "{taken}");
    world.devices.is_stuck.send_replace(false);
    for writer in writers {
        let (mut peer, link, deliveries) = writer.await.unwrap();
        for delivery in deliveries {
            assert_eq!(peer.outcome(link, delivery).await, Outcome::Accepted);
        }
    }
    assert_eq!(world.devices.bodies.lock().unwrap().len(), 8 * MESSAGES);
    until("all room is given back", || figures.ingest_bytes.get() == 0).await;
    world.stopped().await;
}

#[tokio::test]
async fn signs_of_life_come_in_time_also_while_the_disk_stands_still() {
    let world = World::with(|options| {
        options.amqp_limits.unacknowledged_bytes_max = 1000;
        // Much shorter than all the signs take.
        options.amqp_limits.machine.idle_timeout = Duration::from_millis(200);
    });
    let impatient = Options { idle_timeout: Duration::from_millis(1000), ..options() };
    let mut peer = Peer::open(world.amqp_stream().await, impatient, None).await;
    peer.put_token("hub1.iot.test/devices/d1", "good").await;
    let link = peer.sender(EVENTS).await;
    world.devices.is_stuck.send_replace(true);
    let delivery = peer.send(link, unsettled(body(&[b'x'; 2000]))).await;
    let signs = peer.signs;
    while peer.signs < signs + 3 {
        assert!(peer.turn().await, "silence is not held against who is not read");
    }
    world.devices.is_stuck.send_replace(false);
    assert_eq!(peer.outcome(link, delivery).await, Outcome::Accepted);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_for_twice_the_time_is_closed() {
    let world = World::with(|options| {
        options.amqp_limits.machine.idle_timeout = Duration::from_millis(100);
    });
    let mut peer = world.amqp_of(&["d1"]).await;
    peer.sender(EVENTS).await;
    let reason = peer.closed().await.expect("a reason");
    assert_eq!(reason.condition.as_str(), condition::CONNECTION_FORCED);
    until("it is counted", || world.handle.figures().amqp_silent.get() == 1).await;
    until("the device is gone", || *world.devices.gone.borrow() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn who_wants_a_million_and_reads_nothing_costs_little_and_is_closed() {
    const LEN: usize = 1000;
    let world = World::with(|options| options.amqp_limits.write_timeout = Duration::from_millis(300));
    let payload = Bytes::from(body(&[b'x'; LEN]));
    world.links.give((0..100_000).map(|key| Item { key, tag: None, payload: payload.clone() }));
    let mut peer = world.amqp_service().await;
    let session = peer.session();
    let mut greedy = offer("reader", Role::Receiver, READER);
    greedy.window = 1_000_000;
    let (link, _) = peer.attach(session, greedy).await;
    peer.flush().await;
    let figures = world.handle.figures();
    until("it is closed", || figures.amqp_writes_stalled.get() == 1).await;
    // What the system had taken already arrives; the rest was held, or was never asked for.
    let mut came = 0;
    // A word to who is gone would have the system throw it away.
    while peer.read().await {
        came += peer.drop_deliveries(link);
    }
    came += peer.drop_deliveries(link);
    let held = (figures.amqp_events.get() - came) * LEN as u64;
    assert!(figures.amqp_events.get() > 0 && came > 0);
    assert!(held < 1 << 20, "{held} bytes were held");
    world.stopped().await;
}

#[tokio::test]
async fn commands_wait_while_the_client_does_not_read() {
    let world = World::start();
    let payload = Bytes::from(body(&[b'x'; 1000]));
    world.links.give((0..100_000).map(|key| Item { key, tag: None, payload: payload.clone() }));
    let mut peer = world.amqp_service().await;
    peer.receiver("/devices/d1/messages/devicebound").await;
    assert!(peer.is_silent().await);
    let rooms = || world.devices.rooms.lock().unwrap().clone();
    assert_eq!(rooms(), [true]);
    let session = peer.session();
    let mut greedy = offer("reader", Role::Receiver, READER);
    greedy.window = 1_000_000;
    let (link, _) = peer.attach(session, greedy).await;
    peer.flush().await;
    let figures = world.handle.figures();
    let mut known = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = figures.amqp_events.get();
        if now > 0 && now == std::mem::replace(&mut known, now) {
            break;
        }
    }
    let message =
        Message { body: Bytes::from_static(b"go"), system: System::default(), application: Vec::new() };
    world.devices.order(Order::Command(Box::new(Command {
        lease: Lease(1),
        message,
        again: false,
        sequence: 0,
        enqueued: Timestamp::from_unix_seconds(0),
        deliveries: 0,
        input: None,
    })));
    until("it is given back", || !world.devices.settled.lock().unwrap().is_empty()).await;
    assert_eq!(*world.devices.settled.lock().unwrap(), [(Lease(1), Settlement::GiveBack)]);
    until("there is no room", || rooms() == [true, false]).await;
    while rooms().last() == Some(&false) {
        assert!(peer.turn().await);
        peer.drop_deliveries(link);
    }
    peer.machine.detach(link, None);
    assert!(!peer.left().iter().any(|event| matches!(event, Event::Detached { .. })));
    world.stopped().await;
}

#[tokio::test]
async fn no_command_is_asked_for_while_the_window_is_shut() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let link = peer.receiver("/devices/d1/messages/devicebound").await;
    assert!(peer.is_silent().await);
    let rooms = || world.devices.rooms.lock().unwrap().clone();
    assert_eq!(rooms(), [true]);
    let flow = |incoming_window| {
        Performative::Flow(Flow {
            next_incoming: Some(1),
            incoming_window,
            next_outgoing: 1,
            outgoing_window: 100,
            ..Flow::default()
        })
    };
    peer.say(1, &flow(0));
    assert!(peer.is_silent().await);
    assert_eq!(rooms(), [true, false]);
    peer.say(1, &flow(10));
    assert!(peer.is_silent().await);
    assert_eq!(rooms(), [true, false, true]);
    peer.machine.detach(link, None);
    world.stopped().await;
}
