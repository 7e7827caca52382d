//! Links that a service stands behind: what applications read, send and ask.

use bytes::Bytes;
use skerry_amqp::codec::{Symbol, Value};
use skerry_amqp::connection::{Event, LinkId, Offer};
use skerry_amqp::message::{Properties, Writer};
use skerry_amqp::performative::{
    Fault, Flow, Outcome, Performative, ReceiverSettles, Role, SenderSettles, condition,
};
use skerry_front::link::Item;

use super::client::{Peer, body, offer, sections, unsettled};
use crate::world::{World, until};

const EVENTS: &str = "amqps://hub1.iot.test/hub1/ConsumerGroups/$Default/Partitions/0";
const FEEDBACK: &str = "/messages/servicebound/feedback";
const COMMANDS: &str = "amqps://hub1.iot.test/messages/devicebound";

fn items(keys: std::ops::Range<u128>, len: usize) -> Vec<Item> {
    let item = |key: u128| Item { key, tag: None, payload: body(&vec![key as u8; len]).into() };
    keys.map(item).collect()
}

async fn reader(peer: &mut Peer, address: &str, adjust: impl FnOnce(&mut Offer)) -> LinkId {
    let session = peer.session();
    let mut offer = offer("reader", Role::Receiver, address);
    adjust(&mut offer);
    peer.attach(session, offer).await.0
}

#[tokio::test]
async fn events_come_as_far_as_the_client_wants_them_and_settled() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, EVENTS, |offer| offer.window = 10).await;
    world.links.give(items(0..50, 5));
    for key in 0..10 {
        let delivery = peer.delivery(link).await;
        assert!(delivery.is_settled);
        assert_eq!(sections(&delivery).body_bytes().unwrap(), [key; 5][..]);
    }
    assert!(peer.is_silent().await);
    assert_eq!(*world.links.credit_max.lock().unwrap(), 10);
    assert_eq!(world.handle.figures().amqp_events.get(), 10);
    peer.machine.forget(link, 10);
    for key in 10..20 {
        assert_eq!(sections(&peer.delivery(link).await).body_bytes().unwrap(), [key; 5][..]);
    }
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_wants_to_settle_events_gets_them_unsettled() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, EVENTS, |offer| offer.sender_settles = SenderSettles::Unsettled).await;
    world.links.give(items(0..1, 5));
    let delivery = peer.delivery(link).await;
    assert!(!delivery.is_settled);
    peer.machine.settle(link, delivery.id, delivery.id, Outcome::Accepted);
    assert!(peer.is_silent().await);
    assert!(world.links.settled.lock().unwrap().is_empty(), "nothing hangs on it");
    world.stopped().await;
}

#[tokio::test]
async fn what_has_to_be_settled_is_by_its_key() {
    let world = World::start();
    *world.links.wants_outcomes.lock().unwrap() = true;
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, FEEDBACK, |_| {}).await;
    let tag = Bytes::from_static(&[9; 16]);
    world.links.give([Item { key: 40, tag: Some(tag.clone()), payload: body(b"x").into() }]);
    world.links.give(items(41..43, 5));
    let outcomes = [Outcome::Accepted, Outcome::Released, Outcome::Rejected(None)];
    for (key, outcome) in (40..).zip(outcomes) {
        let delivery = peer.delivery(link).await;
        assert!(!delivery.is_settled && (key > 40 || delivery.tag == tag));
        peer.machine.settle(link, delivery.id, delivery.id, outcome.clone());
        peer.flush().await;
        until("it is settled", || {
            world.links.settled.lock().unwrap().last() == Some(&(key, outcome.clone()))
        })
        .await;
    }
    // A client that asks for settled messages has taken what was sent.
    let link = reader(&mut peer, FEEDBACK, |offer| offer.sender_settles = SenderSettles::Settled).await;
    peer.is_silent().await;
    world.links.give(items(50..51, 5));
    until("it is settled", || world.links.settled.lock().unwrap().last() == Some(&(50, Outcome::Accepted)))
        .await;
    assert!(peer.delivery(link).await.is_settled);
    world.stopped().await;
}

#[tokio::test]
async fn in_the_second_mode_the_service_has_the_last_word() {
    let world = World::start();
    *world.links.wants_outcomes.lock().unwrap() = true;
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, FEEDBACK, |offer| offer.receiver_settles = ReceiverSettles::Second).await;
    world.links.give(items(7..8, 5));
    let delivery = peer.delivery(link).await;
    peer.propose(1, delivery.id, Outcome::Accepted);
    let agreed = peer.agreed().await;
    assert_eq!((agreed.first, agreed.is_settled, agreed.state), (delivery.id, true, Some(Outcome::Accepted)));
    assert_eq!(*world.links.settled.lock().unwrap(), [(7, Outcome::Accepted)]);
    world.stopped().await;
}

#[tokio::test]
async fn a_link_that_goes_gives_its_source_back() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, EVENTS, |_| {}).await;
    let other = reader(&mut peer, EVENTS, |_| {}).await;
    peer.machine.detach(link, None);
    peer.flush().await;
    until("one is gone", || *world.links.sources_gone.lock().unwrap() == 1).await;
    world.links.give(items(0..1, 5));
    peer.delivery(other).await;
    drop(peer);
    until("both are gone", || *world.links.sources_gone.lock().unwrap() == 2).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_drain_is_answered_after_what_there_is() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, EVENTS, |offer| offer.window = 0).await;
    world.links.give(items(0..3, 5));
    // Tokens have the first channel, the reader the second, with its first handle.
    let flow = Flow {
        next_incoming: Some(1),
        incoming_window: 1000,
        next_outgoing: 1,
        outgoing_window: 1000,
        handle: Some(0),
        delivery_count: Some(0),
        credit: Some(10),
        is_drain: true,
        ..Flow::default()
    };
    // Our own machine would not take what it gave no credit for.
    peer.machine.widen(link, 10);
    peer.machine.out.clear();
    peer.say(1, &Performative::Flow(flow));
    for key in 0..3 {
        assert_eq!(sections(&peer.delivery(link).await).body_bytes().unwrap(), [key; 5][..]);
    }
    let flow = peer.flow().await;
    assert_eq!((flow.credit, flow.delivery_count, flow.is_drain), (Some(0), Some(10), true));
    world.stopped().await;
}

#[tokio::test]
async fn a_message_larger_than_the_client_takes_ends_the_link_with_the_reason() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let small = reader(&mut peer, EVENTS, |offer| offer.message_bytes_max = 1000).await;
    world.links.give(items(0..1, 100));
    peer.delivery(small).await;
    world.links.give(items(1..2, 2000));
    assert_eq!(peer.detached(small).await.condition.as_str(), condition::MESSAGE_SIZE_EXCEEDED);
    until("its source is gone", || *world.links.sources_gone.lock().unwrap() == 1).await;
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything_in_order() {
    let world = World::with(|options| options.amqp_limits.machine.out_bytes_max = 20_000);
    let mut peer = world.amqp_service().await;
    let link = reader(&mut peer, EVENTS, |offer| offer.window = 5000).await;
    world.links.give(items(0..3000, 1000));
    for key in 0..3000_u32 {
        let delivery = peer.delivery(link).await;
        assert_eq!(sections(&delivery).body_bytes().unwrap(), [key as u8; 1000][..]);
        peer.machine.forget(link, 1);
    }
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn what_is_sent_has_the_outcome_of_the_service() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let session = peer.session();
    // As the Python library asks for it, which waits for nothing but settled outcomes.
    let mut second = offer("sender", Role::Sender, COMMANDS);
    second.receiver_settles = ReceiverSettles::Second;
    let (link, attach) = peer.attach(session, second).await;
    assert_eq!(attach.receiver_settles, ReceiverSettles::First);
    assert_eq!(peer.deliver(link, body(b"go")).await, Outcome::Accepted);
    let Outcome::Rejected(Some(fault)) = peer.deliver(link, body(b"poison")).await else { panic!() };
    assert_eq!(fault.condition.as_str(), condition::NOT_FOUND);
    let Outcome::Rejected(Some(fault)) = peer.deliver(link, &b"garbage"[..]).await else { panic!() };
    assert_eq!(fault.condition.as_str(), condition::DECODE_ERROR);
    for _ in 0..2100 {
        let mut outgoing = unsettled(body(b"settled"));
        outgoing.is_settled = true;
        peer.send(link, outgoing).await;
    }
    peer.flush().await;
    until("all came", || world.links.taken.lock().unwrap().len() == 2102).await;
    world.stopped().await;
}

#[tokio::test]
async fn requests_are_answered_where_they_say() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let session = peer.session();
    let mut pairs = Vec::new();
    for name in ["one", "two"] {
        let mut answers = offer(&format!("answers {name}"), Role::Receiver, "hub1/$management");
        answers.target.address = Value::string(name);
        let (receiver, _) = peer.attach(session, answers).await;
        let (sender, _) =
            peer.attach(session, offer(&format!("requests {name}"), Role::Sender, "$management")).await;
        pairs.push((name, sender, receiver));
    }
    for (name, sender, receiver) in pairs.into_iter().rev() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        let id = Value::Uuid([3; 16]);
        let reply_to = Value::string(name);
        writer.properties(&Properties { message_id: id.clone(), reply_to, ..Properties::default() });
        writer.data(name.as_bytes());
        assert_eq!(peer.deliver(sender, out).await, Outcome::Accepted);
        let answer = peer.message(receiver).await;
        assert_eq!(answer.properties.correlation_id, id);
        assert_eq!(answer.body_bytes().unwrap(), name);
    }
    world.stopped().await;
}

#[tokio::test]
async fn a_link_that_is_refused_is_attached_and_ends_with_the_reason_and_its_notes() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    for (role, address) in [(Role::Receiver, EVENTS), (Role::Sender, COMMANDS), (Role::Sender, "$management")]
    {
        let session = peer.session();
        let (link, attach) = peer.attach(session, offer("link", role, address)).await;
        assert!(attach.source.is_some() && attach.target.is_some());
        let expected = Fault {
            info: Value::Map(vec![(Value::symbol("com.microsoft:tracking-id"), Value::string("t"))]),
            ..Fault::new(condition::UNAUTHORIZED_ACCESS, "show a token")
        };
        assert_eq!(peer.detached(link).await, expected, "{address}");
    }
    assert_eq!(world.handle.figures().amqp_links_refused.get(), 3);
    // Once it shows one, they are there.
    peer.put_token("hub1.iot.test", "good").await;
    let link = peer.receiver(EVENTS).await;
    world.links.give(items(0..1, 5));
    peer.delivery(link).await;
    assert!(peer.left().iter().all(|event| matches!(event, Event::Credit { .. })));
    world.stopped().await;
}

#[tokio::test]
async fn what_a_client_says_of_its_link_reaches_the_service() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    let filter = Value::Map(vec![(
        Value::symbol("apache.org:selector-filter:string"),
        Value::described(
            Value::symbol("apache.org:selector-filter:string"),
            Value::string("amqp.annotation.x-opt-offset > '7'"),
        ),
    )]);
    let properties = Value::Map(vec![(Value::symbol("com.microsoft:epoch"), Value::Long(3))]);
    let link = reader(&mut peer, EVENTS, |offer| {
        offer.source.filter = filter.clone();
        offer.properties = properties.clone();
        offer.source.capabilities = vec![Symbol::known("x")];
    })
    .await;
    {
        let wanted = world.links.wanted.lock().unwrap();
        let source = wanted[0].attach.source.as_ref().unwrap();
        assert_eq!((&source.filter, &wanted[0].attach.properties), (&filter, &properties));
        assert_eq!(wanted[0].tokens.iter().map(|token| &**token).collect::<Vec<_>>(), ["good"]);
    }
    peer.machine.detach(link, None);
    world.stopped().await;
}
