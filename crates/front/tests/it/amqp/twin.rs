//! Twins and methods.

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{LinkId, SessionId};
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_amqp::performative::{Outcome, Role, SenderSettles};
use skerry_front::device::{Call, Desired, Order};
use skerry_mqtt::topic::Subscription;

use super::client::{Peer, offer, unsettled};
use crate::world::{World, until};

const REPORTED: &str = "/properties/reported";
const NOTIFICATIONS: &str = "/notifications/twin/properties/desired";

/// Both links of a pair, as clients name them.
async fn pair(peer: &mut Peer, session: SessionId, address: &str, correlation: &str) -> (LinkId, LinkId) {
    let make = |role| {
        let mut offer = offer(&format!("{address}{role:?}{correlation}"), role, address);
        offer.sender_settles = SenderSettles::Settled;
        let property = Value::symbol("com.microsoft:channel-correlation-id");
        offer.properties = Value::Map(vec![(property, Value::string(correlation))]);
        offer
    };
    let (sender, _) = peer.attach(session, make(Role::Sender)).await;
    let (receiver, _) = peer.attach(session, make(Role::Receiver)).await;
    (sender, receiver)
}

fn request(operation: &str, resource: Option<&str>, version: &Value, id: &str, body: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    {
        let resource = resource.map_or(Value::Null, Value::string);
        let mut annotations = writer.annotations();
        annotations.symbol_text("operation", operation);
        annotations.symbol("resource", &resource).symbol("version", version);
    }
    writer.properties(&Properties { correlation_id: Value::string(id), ..Properties::default() });
    writer.data(body.as_bytes());
    out
}

fn told(answer: &Sections) -> (Option<Value>, Option<Value>, Value, Bytes) {
    let annotation = |name| answer.annotation(name).cloned();
    let id = answer.properties.correlation_id.clone();
    (annotation("status"), annotation("version"), id, answer.body_bytes().unwrap())
}

#[tokio::test]
async fn every_operation_on_a_twin_has_its_answer() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let session = peer.session();
    let (sender, receiver) = pair(&mut peer, session, "/devices/d1/twin", "twin:1").await;
    let unknown = "{\"errorCode\":400004,\"message\":\"there is no such operation on a twin\"}";
    let none = Value::Null;
    let table = [
        (request("GET", None, &none, "Get1", " "), 200, None, "{}"),
        (request("PATCH", Some(REPORTED), &none, "Patch1", "{\"a\":1}"), 204, Some(7), ""),
        (request("PATCH", Some("/Properties/Reported/"), &Value::Long(3), "2", "{}"), 204, Some(7), ""),
        (request("PATCH", Some(REPORTED), &none, "3", "bad"), 400, None, "{\"errorCode\":400004}"),
        (request("PUT", Some(NOTIFICATIONS), &none, "Put1", ""), 200, None, ""),
        (request("DELETE", Some(NOTIFICATIONS), &none, "5", ""), 200, None, ""),
        (request("POST", None, &none, "6", ""), 400, None, unknown),
        (request("PATCH", Some("/tags"), &none, "7", "{}"), 400, None, unknown),
        (request("", None, &none, "8", ""), 400, None, unknown),
    ];
    let ids = ["Get1", "Patch1", "2", "3", "Put1", "5", "6", "7", "8"];
    for ((request, status, version, body), id) in table.into_iter().zip(ids) {
        peer.send(sender, unsettled(request)).await;
        let answer = peer.message(receiver).await;
        let expected =
            (Some(Value::Int(status)), version.map(Value::Long), Value::string(id), Bytes::from(body));
        assert_eq!(told(&answer), expected, "{id}");
    }
    let versions: Vec<_> =
        world.devices.reported.lock().unwrap().iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, [None, Some(3), None]);
    world.stopped().await;
}

#[tokio::test]
async fn desired_properties_are_told_without_an_id_to_who_asked_for_them() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let session = peer.session();
    let (sender, receiver) = pair(&mut peer, session, "/devices/d1/twin", "twin:1").await;
    let listens = |kind| world.devices.subscribed.lock().unwrap().is_some_and(|to| to.has(kind));
    assert!(!listens(Subscription::Desired));
    peer.send(sender, unsettled(request("PUT", Some(NOTIFICATIONS), &Value::Null, "1", ""))).await;
    peer.message(receiver).await;
    assert!(listens(Subscription::Desired));
    let patch = Bytes::from_static(b"{\"a\":1,\"$version\":4}");
    world.devices.order(Order::Desired(Desired { version: 4, patch: patch.clone() }));
    let change = peer.message(receiver).await;
    assert_eq!(told(&change), (None, None, Value::Null, patch));
    assert_eq!(change.annotation("resource"), Some(&Value::string(NOTIFICATIONS)));
    peer.send(sender, unsettled(request("DELETE", Some(NOTIFICATIONS), &Value::Null, "2", ""))).await;
    peer.message(receiver).await;
    assert!(!listens(Subscription::Desired));
    // Whoever goes does not listen any more, either.
    peer.send(sender, unsettled(request("PUT", Some(NOTIFICATIONS), &Value::Null, "3", ""))).await;
    peer.message(receiver).await;
    peer.machine.detach(receiver, None);
    peer.flush().await;
    until("nobody listens", || !listens(Subscription::Desired)).await;
    world.stopped().await;
}

#[tokio::test]
async fn answers_find_the_receiver_of_their_pair() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1", "d2"]).await;
    let session = peer.session();
    let first = pair(&mut peer, session, "/devices/d1/twin", "twin:1").await;
    let second = pair(&mut peer, session, "/devices/d1/twin", "twin:2").await;
    let other = pair(&mut peer, session, "/devices/d2/twin", "twin:1").await;
    for (sender, receiver) in [second, first, other] {
        peer.send(sender, unsettled(request("GET", None, &Value::Null, "1", ""))).await;
        assert_eq!(told(&peer.message(receiver).await).0, Some(Value::Int(200)));
    }
    world.stopped().await;
}

fn call(id: &str, method: &str) -> Order {
    let payload = Bytes::from_static(b"{\"a\":1}");
    Order::Call(Call { id: id.into(), method: method.into(), payload })
}

#[tokio::test]
async fn a_method_is_called_and_answered_by_a_uuid() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let session = peer.session();
    let address = "/devices/d1/methods/devicebound";
    let (sender, receiver) = pair(&mut peer, session, address, "methods:1").await;
    until("calls may come", || {
        world.devices.subscribed.lock().unwrap().is_some_and(|to| to.has(Subscription::Methods))
    })
    .await;
    for (id, as_text) in [("1f", false), ("0123456789abcdef", true)] {
        world.devices.order(call(id, "reboot"));
        let asked = peer.message(receiver).await;
        assert_eq!(asked.property("IoThub-methodname"), Some(&Value::string("reboot")));
        assert_eq!(asked.body_bytes().unwrap(), "{\"a\":1}");
        let Value::Uuid(uuid) = asked.properties.correlation_id else { panic!("{asked:?}") };
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        let correlation_id = match as_text {
            true => Value::string(&skerry_amqp::message::uuid(&uuid)),
            false => Value::Uuid(uuid),
        };
        writer.properties(&Properties { correlation_id, ..Properties::default() });
        writer.application().string("IoThub-status", &Value::Int(202));
        writer.data(b"[2]");
        assert_eq!(peer.deliver(sender, out).await, Outcome::Accepted);
        let answers = || std::mem::take(&mut *world.devices.answers.lock().unwrap());
        assert_eq!(answers(), [(id.to_owned(), 202, Bytes::from_static(b"[2]"))]);
    }
    // What is no answer is dropped.
    assert_eq!(peer.deliver(sender, super::client::body(b"?")).await, Outcome::Accepted);
    assert!(world.devices.answers.lock().unwrap().is_empty());
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn who_gives_no_credit_for_what_is_told_loses_the_link_and_nothing_else() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let session = peer.session();
    let mut greedy = offer("methods", Role::Receiver, "/devices/d1/methods/devicebound");
    greedy.window = 0;
    let (link, _) = peer.attach(session, greedy).await;
    let telemetry = peer.sender("/devices/d1/messages/events").await;
    (0..200).for_each(|number| world.devices.order(call(&format!("{number}"), "m")));
    let fault = peer.detached(link).await;
    assert_eq!(fault.condition.as_str(), skerry_amqp::performative::condition::RESOURCE_LIMIT_EXCEEDED);
    assert_eq!(peer.deliver(telemetry, super::client::body(b"still here")).await, Outcome::Accepted);
    world.stopped().await;
}
