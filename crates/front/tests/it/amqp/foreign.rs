//! A client that is not ours: what it sends, takes and settles in every mode.

use bytes::Bytes;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::link::{SendError, SenderAttachError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Data, Message, Modified, Outcome};
use fe2o3_amqp::types::primitives::Binary;
use fe2o3_amqp::{Connection, Delivery, Receiver, Sendable, Sender, Session};
use skerry_amqp::performative::Outcome as Told;
use skerry_front::device::{Command, Lease, Order, Settlement};
use skerry_front::link::Item;
use skerry_model::Timestamp;
use skerry_model::message::{Message as Kept, System};

use crate::world::{World, until, within};

const TELEMETRY: &str = "/devices/d1/messages/events";
const READER: &str = "hub1/ConsumerGroups/$Default/Partitions/0";

type Handle = fe2o3_amqp::connection::ConnectionHandle<()>;

async fn open(world: &World) -> (Handle, SessionHandle<()>) {
    let builder = Connection::builder()
        .container_id("foreign")
        .scheme("amqp")
        .hostname("hub1.iot.test")
        .max_frame_size(4096)
        .idle_time_out(60_000_u32)
        .sasl_profile(SaslProfile::Plain { username: "me".into(), password: "good".into() });
    let opening = Box::pin(builder.open_with_stream(world.amqp_stream().await));
    let mut connection = within(opening).await.unwrap();
    let session = within(Session::begin(&mut connection)).await.unwrap();
    (connection, session)
}

fn message(bytes: impl Into<Vec<u8>>) -> Message<Data> {
    Message::builder().data(Binary::from(bytes.into())).build()
}

fn bytes(delivery: &Delivery<Data>) -> &[u8] {
    &delivery.body().0
}

fn item(key: u128, bytes: &[u8]) -> Item {
    Item { key, tag: None, payload: super::client::body(bytes).into() }
}

#[tokio::test]
async fn what_it_sends_is_kept_small_and_large_one_by_one_and_at_once() {
    let world = World::start();
    let (mut connection, mut session) = open(&world).await;
    let mut sender = within(Sender::attach(&mut session, "sender", TELEMETRY)).await.unwrap();
    assert_eq!(sender.max_message_size(), Some(1 << 20));
    let outcome = within(sender.send(message("small"))).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)));
    let large: Vec<u8> = (0..250_000_u32).map(|number| number as u8).collect();
    let outcome = within(sender.send(message(large.clone()))).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)));
    assert_eq!(*world.devices.bodies.lock().unwrap(), [Bytes::from_static(b"small"), large.into()]);
    let mut waiting = Vec::new();
    for number in 0..500 {
        waiting.push(within(sender.send_batchable(message(format!("{number}")))).await.unwrap());
    }
    for outcome in waiting {
        assert!(matches!(within(outcome).await.unwrap(), Outcome::Accepted(_)));
    }
    let bodies = world.devices.bodies.lock().unwrap().clone();
    assert!(bodies[2..].iter().enumerate().all(|(at, body)| *body == format!("{at}")));
    let outcome = within(sender.send(message("poison"))).await.unwrap();
    let Outcome::Rejected(rejected) = outcome else { panic!("{outcome:?}") };
    let condition = format!("{:?}", rejected.error.unwrap().condition);
    assert!(condition.contains("com.microsoft:argument-error"), "{condition}");
    let too_much = within(sender.send(message(vec![0; 300 << 10]))).await.unwrap();
    assert!(matches!(too_much, Outcome::Rejected(_)));
    within(sender.close()).await.unwrap();
    within(session.end()).await.unwrap();
    within(connection.close()).await.unwrap();
    until("it left", || world.handle.figures().amqp_left.get() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn it_sends_without_waiting_lays_its_link_aside_and_begins_it_anew() {
    let world = World::start();
    let (_connection, mut session) = open(&world).await;
    let builder = Sender::builder().name("settled").target(TELEMETRY);
    let settled = builder.sender_settle_mode(SenderSettleMode::Settled);
    let mut sender = within(settled.attach(&mut session)).await.unwrap();
    for number in 0..1500 {
        within(sender.send(message(format!("{number}")))).await.unwrap();
    }
    until("all came", || world.devices.bodies.lock().unwrap().len() == 1500).await;
    // Laid aside, and begun anew under the same name.
    drop(within(sender.detach()).await.unwrap());
    let mut sender = within(Sender::attach(&mut session, "settled", TELEMETRY)).await.unwrap();
    within(sender.send(message("again"))).await.unwrap();
    until("it came", || world.devices.bodies.lock().unwrap().len() == 1501).await;
    within(sender.close()).await.unwrap();
    world.stopped().await;
}

#[tokio::test]
async fn it_reads_in_order_settles_and_drains() {
    let world = World::start();
    *world.links.wants_outcomes.lock().unwrap() = true;
    let (_connection, mut session) = open(&world).await;
    let mut receiver = within(Receiver::attach(&mut session, "reader", READER)).await.unwrap();
    world.links.give((0..600).map(|key| item(key, format!("{key}").as_bytes())));
    for key in 0..600 {
        let delivery = within(receiver.recv::<Data>()).await.unwrap();
        assert_eq!(bytes(&delivery), format!("{key}").as_bytes());
        match key % 3 {
            0 => within(receiver.accept(&delivery)).await.unwrap(),
            1 => within(receiver.release(&delivery)).await.unwrap(),
            _ => within(receiver.reject(&delivery, None)).await.unwrap(),
        }
    }
    until("all are settled", || world.links.settled.lock().unwrap().len() == 600).await;
    for (key, outcome) in world.links.settled.lock().unwrap().iter() {
        let expected = match key % 3 {
            0 => Told::Accepted,
            1 => Told::Released,
            _ => Told::Rejected(None),
        };
        assert_eq!(*outcome, expected, "{key}");
    }
    within(receiver.close()).await.unwrap();
    until("its source is gone", || *world.links.sources_gone.lock().unwrap() == 1).await;

    // By hand: no more than it asks for, and the end of a drain.
    let builder = Receiver::builder().name("manual").source(READER).credit_mode(CreditMode::Manual);
    let mut receiver = within(builder.attach(&mut session)).await.unwrap();
    world.links.give((0..10).map(|key| item(key, &[key as u8])));
    within(receiver.set_credit(4)).await.unwrap();
    for key in 0..4 {
        let delivery = within(receiver.recv::<Data>()).await.unwrap();
        assert_eq!(bytes(&delivery), [key]);
        within(receiver.accept(&delivery)).await.unwrap();
    }
    within(receiver.set_credit(20)).await.unwrap();
    within(receiver.drain()).await.unwrap();
    for key in 4..10 {
        let delivery = within(receiver.recv::<Data>()).await.unwrap();
        assert_eq!(bytes(&delivery), [key]);
        within(receiver.accept(&delivery)).await.unwrap();
    }
    // Its credit is used up: what comes now waits.
    until("all are settled", || world.links.settled.lock().unwrap().len() == 610).await;
    world.links.give([item(99, b"later")]);
    within(receiver.set_credit(1)).await.unwrap();
    assert_eq!(bytes(&within(receiver.recv::<Data>()).await.unwrap()), b"later");
    world.stopped().await;
}

#[tokio::test]
async fn large_events_come_in_many_frames() {
    let world = World::start();
    let (_connection, mut session) = open(&world).await;
    let mut receiver = within(Receiver::attach(&mut session, "reader", READER)).await.unwrap();
    let large: Vec<u8> = (0..200_000_u32).map(|number| (number / 7) as u8).collect();
    world.links.give((0..5).map(|key| item(key, &large)));
    for _ in 0..5 {
        assert!(bytes(&within(receiver.recv::<Data>()).await.unwrap()) == large);
    }
    world.stopped().await;
}

fn command(lease: u128) -> Order {
    let message =
        Kept { body: Bytes::from_static(b"go"), system: System::default(), application: Vec::new() };
    Order::Command(Box::new(Command {
        lease: Lease(lease),
        message,
        again: false,
        sequence: 1,
        enqueued: Timestamp::from_unix_seconds(1_780_000_000),
        deliveries: 0,
        input: None,
    }))
}

#[tokio::test]
async fn commands_are_settled_in_both_modes() {
    let world = World::start();
    let (_connection, mut session) = open(&world).await;
    for mode in [ReceiverSettleMode::First, ReceiverSettleMode::Second] {
        world.devices.settled.lock().unwrap().clear();
        world.devices.rooms.lock().unwrap().clear();
        let builder = Receiver::builder().name("bound").source("/devices/d1/messages/devicebound");
        let builder = builder.receiver_settle_mode(mode.clone());
        let mut receiver = within(builder.attach(&mut session)).await.unwrap();
        until("commands may come", || world.devices.rooms.lock().unwrap().last() == Some(&true)).await;
        let expected = [Settlement::Complete, Settlement::Reject, Settlement::Abandon, Settlement::Abandon];
        for (lease, how) in (1..).zip(expected) {
            world.devices.order(command(lease));
            let delivery = within(receiver.recv::<Data>()).await.unwrap();
            assert_eq!((bytes(&delivery), delivery.delivery_tag().len()), (&b"go"[..], 16));
            match lease {
                1 => within(receiver.accept(&delivery)).await.unwrap(),
                2 => within(receiver.reject(&delivery, None)).await.unwrap(),
                3 => within(receiver.release(&delivery)).await.unwrap(),
                _ => {
                    let modified = Modified {
                        delivery_failed: Some(true),
                        undeliverable_here: None,
                        message_annotations: None,
                    };
                    within(receiver.modify(&delivery, modified)).await.unwrap();
                }
            }
            until("it is settled", || {
                world.devices.settled.lock().unwrap().last() == Some(&(Lease(lease), how))
            })
            .await;
        }
        assert_eq!(world.devices.settled.lock().unwrap().len(), 4, "{mode:?}");
        within(receiver.close()).await.unwrap();
    }
    world.stopped().await;
}

#[tokio::test]
async fn it_understands_why_a_link_is_refused_or_ends() {
    let world = World::start();
    let (_connection, mut session) = open(&world).await;
    let refused = within(Sender::attach(&mut session, "nowhere", "/nothing/here")).await;
    match refused {
        Err(SenderAttachError::RemoteClosedWithError(error)) => {
            assert!(format!("{:?}", error.condition).contains("NotFound"), "{error:?}");
        }
        // It may hear of the end only when it first uses the link.
        Ok(mut sender) => {
            let error = within(sender.send(message("x"))).await.unwrap_err();
            assert!(format!("{error:?}").contains("NotFound"), "{error:?}");
        }
        Err(other) => panic!("{other:?}"),
    }
    let mut sender = within(Sender::attach(&mut session, "sender", TELEMETRY)).await.unwrap();
    within(sender.send(message("one"))).await.unwrap();
    world.devices.order(Order::Close(skerry_front::device::CloseReason::Expired));
    let error = within(sender.on_detach()).await;
    assert!(format!("{error:?}").contains("UnauthorizedAccess"), "{error:?}");
    let failed: Result<_, SendError> = within(sender.send(message("two"))).await;
    assert!(failed.is_err());
    // Another link in the same session is another matter.
    let mut sender = within(Sender::attach(&mut session, "another", TELEMETRY)).await.unwrap();
    let sendable = Sendable::builder().message(message("three")).settled(true).build();
    within(sender.send(sendable)).await.unwrap();
    until("it came", || world.devices.bodies.lock().unwrap().len() == 2).await;
    world.stopped().await;
}
