use bytes::Bytes;
use skerry_front::device::{Call, CloseReason, Desired, Order, Proof, SessionKind};
use skerry_mqtt::packet::{Ack, ConnectCode, Packet, Qos, Suback, SubackCode, Text, Will};

use super::client::{connect, id, publish, subscribe, telemetry};
use crate::world::{World, until};

const METHODS: &str = "$iothub/methods/POST/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

#[tokio::test]
async fn a_publish_is_acknowledged_when_it_is_kept_and_in_its_turn() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    world.devices.is_stuck.send_replace(true);
    let get = publish("$iothub/twin/GET/?$rid=a", Some(2), "");
    raw.send(&[telemetry(1, "one"), get, telemetry(3, "three")]).await;
    // The twin is answered at once, but its acknowledgement waits for the one before it.
    let Some(Packet::Publish(twin)) = raw.receive().await else { panic!() };
    assert_eq!((twin.topic.as_str(), twin.payload.as_ref()), ("$iothub/twin/res/200/?$rid=a", &b"{}"[..]));
    assert!(raw.is_silent().await);
    assert_eq!(*world.devices.bodies.lock().unwrap(), ["one", "three"]);
    world.devices.is_stuck.send_replace(false);
    for number in 1..=3 {
        assert_eq!(raw.receive().await, Some(Packet::Ack(Ack::puback(id(number)))));
    }
    world.stopped().await;
}

#[tokio::test]
async fn what_comes_in_one_piece_with_connect_is_served_in_order() {
    let world = World::start();
    let mut raw = world.stranger().await;
    let filters = [(METHODS, Qos::AtMostOnce), (DESIRED, Qos::ExactlyOnce)];
    let connect = Packet::Connect(Box::new(connect("good")));
    raw.send(&[connect, telemetry(1, "first"), subscribe(2, &filters), Packet::Disconnect]).await;
    assert!(matches!(raw.receive().await, Some(Packet::Connack(_))));
    until("the publish is kept", || *world.devices.bodies.lock().unwrap() == ["first"]).await;
    until("the subscription is known", || world.devices.subscribed.lock().unwrap().is_some()).await;
    until("the session ends", || *world.devices.gone.borrow() == 1).await;
    assert_eq!(world.handle.figures().mqtt_left.get(), 1);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_its_connack_is_served_whatever_it_sends() {
    let world = World::start();
    world.devices.is_undecided.send_replace(true);
    let mut raw = world.stranger().await;
    // Each larger than CONNECT may be, and altogether more than a connection may have under way.
    let payload = "x".repeat(200_000);
    let mut packets = vec![Packet::Connect(Box::new(connect("good")))];
    packets.extend((1..=20).map(|number| telemetry(number, &payload)));
    let sending = tokio::spawn(async move {
        raw.send(&packets).await;
        raw
    });
    until("it asks to be let in", || world.devices.claims.lock().unwrap().len() == 1).await;
    assert!(world.devices.bodies.lock().unwrap().is_empty());
    world.devices.is_undecided.send_replace(false);
    let mut raw = sending.await.unwrap();
    assert!(matches!(raw.receive().await, Some(Packet::Connack(_))));
    for number in 1..=20 {
        assert_eq!(raw.receive().await, Some(Packet::Ack(Ack::puback(id(number)))));
    }
    world.stopped().await;
}

#[tokio::test]
async fn every_property_of_a_message_arrives() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    let topic = "devices/d1/messages/events/%24.mid=m1&%24.ct=application%2Fjson&a=b%20c&$.cid=x/";
    raw.send(&[publish(topic, Some(9), "{}")]).await;
    assert_eq!(raw.receive().await, Some(Packet::Ack(Ack::puback(id(9)))));
    let messages = world.devices.messages.lock().unwrap().clone();
    assert_eq!(messages[0].system.message_id.as_deref(), Some("m1"));
    assert_eq!(messages[0].system.correlation_id.as_deref(), Some("x"));
    assert_eq!(messages[0].system.content_type.as_deref(), Some("application/json"));
    assert_eq!(messages[0].application, [("a".to_owned(), "b c".to_owned())]);
    world.stopped().await;
}

#[tokio::test]
async fn subscriptions_are_granted_kept_and_given_up() {
    let world = World::start();
    let (mut raw, was_there) = world.device().await;
    assert!(!was_there);
    raw.send(&[subscribe(5, &[(METHODS, Qos::AtMostOnce), (DESIRED, Qos::ExactlyOnce)])]).await;
    let codes = vec![SubackCode::Granted(Qos::AtMostOnce), SubackCode::Granted(Qos::AtLeastOnce)];
    assert_eq!(raw.receive().await, Some(Packet::Suback(Suback { packet_id: id(5), codes })));
    drop(raw);
    let (mut raw, was_there) = world.device().await;
    assert!(was_there, "and nobody has to subscribe again");
    world.devices.order(Order::Call(Call {
        id: "1f".into(),
        method: "reboot".into(),
        payload: Bytes::from_static(b"null"),
    }));
    let Some(Packet::Publish(call)) = raw.receive().await else { panic!() };
    assert_eq!(call.topic.as_str(), "$iothub/methods/POST/reboot/?$rid=1f");
    assert_eq!((call.qos, call.payload.as_ref()), (Qos::AtMostOnce, &b"null"[..]));
    raw.send(&[publish("$iothub/methods/res/200/?$rid=1f", Some(8), "{\"a\":1}")]).await;
    assert_eq!(raw.receive().await, Some(Packet::Ack(Ack::puback(id(8)))));
    let answers = world.devices.answers.lock().unwrap().clone();
    assert_eq!(answers, [("1f".to_owned(), 200, Bytes::from_static(b"{\"a\":1}"))]);
    world.devices.order(Order::Desired(Desired { version: 4, patch: Bytes::from_static(b"{}") }));
    let Some(Packet::Publish(desired)) = raw.receive().await else { panic!() };
    assert_eq!(desired.topic.as_str(), "$iothub/twin/PATCH/properties/desired/?$version=4");
    world.stopped().await;
}

#[tokio::test]
async fn a_refused_report_is_told_in_the_body() {
    let world = World::start();
    let (mut raw, _) = world.device().await;
    let report = |rid: &str, patch: &str| {
        publish(&format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}"), None, patch)
    };
    raw.send(&[report("1", "{}")]).await;
    let Some(Packet::Publish(good)) = raw.receive().await else { panic!() };
    assert_eq!(good.topic.as_str(), "$iothub/twin/res/204/?$rid=1&$version=7");
    raw.send(&[report("2", "bad")]).await;
    let Some(Packet::Publish(bad)) = raw.receive().await else { panic!() };
    assert_eq!(bad.topic.as_str(), "$iothub/twin/res/400/?$rid=2");
    assert_eq!(bad.payload, "{\"errorCode\":400004}");
    world.stopped().await;
}

#[tokio::test]
async fn a_will_is_published_when_the_client_goes_without_a_word() {
    let world = World::start();
    let with_will = || {
        let topic = Text::from("devices/d1/messages/events/a=b");
        let will = Will { topic, payload: Bytes::from_static(b"gone"), qos: Qos::AtMostOnce, retain: false };
        skerry_mqtt::packet::Connect { will: Some(will), ..connect("good") }
    };
    let (mut polite, _) = world.device_with(with_will()).await;
    polite.send(&[Packet::Disconnect]).await;
    assert!(polite.is_closed().await);
    let (rude, _) = world.device_with(with_will()).await;
    drop(rude);
    until("the will is kept", || !world.devices.bodies.lock().unwrap().is_empty()).await;
    until("both are gone", || *world.devices.gone.borrow() == 2).await;
    let messages = world.devices.messages.lock().unwrap().clone();
    let application = [("a", "b"), ("iothub-MessageType", "Will")];
    let application = application.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((messages.len(), &messages[0].application[..]), (1, &application[..]));
    world.stopped().await;
}

#[tokio::test]
async fn who_is_not_let_in_is_told_by_code() {
    let world = World::start();
    let good = connect("good");
    let user = |name: &str| Some(Text::from(name));
    let table = [
        (connect("wrong"), ConnectCode::Unauthorised),
        (connect("disabled"), ConnectCode::Unavailable),
        (connect(""), ConnectCode::Unauthorised),
        (skerry_mqtt::packet::Connect { client_id: "d2".into(), ..good.clone() }, ConnectCode::Unauthorised),
        (skerry_mqtt::packet::Connect { client_id: "".into(), ..good.clone() }, ConnectCode::Unauthorised),
        (skerry_mqtt::packet::Connect { user_name: user("x"), ..good.clone() }, ConnectCode::Unauthorised),
        (
            skerry_mqtt::packet::Connect { user_name: user("h/d1/m1/?a=1"), ..good.clone() },
            ConnectCode::Unauthorised,
        ),
        (skerry_mqtt::packet::Connect { level: 3, ..good.clone() }, ConnectCode::Protocol),
        (skerry_mqtt::packet::Connect { level: 5, ..good.clone() }, ConnectCode::Protocol),
    ];
    for (connect, code) in table {
        let mut raw = world.stranger().await;
        raw.send(&[Packet::Connect(Box::new(connect.clone()))]).await;
        let Some(Packet::Connack(connack)) = raw.receive().await else { panic!("{connect:?}") };
        assert_eq!((connack.code, connack.session_present), (code, false), "{connect:?}");
        assert!(raw.is_closed().await);
    }
    let figures = world.handle.figures();
    assert_eq!((figures.mqtt_refused_protocol.get(), figures.mqtt_refused_unavailable.get()), (2, 1));
    world.stopped().await;
}

#[tokio::test]
async fn the_service_hears_who_comes_and_ends_a_connection() {
    let world = World::start();
    let mut greeting = connect("good");
    greeting.clean_session = true;
    greeting.user_name =
        Some(Text::from("gw.local/d1/?api-version=2021-04-12&model-id=dtmi:a:b;1&DeviceClientType=py%2F2"));
    let (mut raw, _) = world.device_with(greeting).await;
    {
        let claims = world.devices.claims.lock().unwrap();
        let claim = &claims[0];
        assert_eq!(
            (claim.device.as_str(), claim.module.is_none(), claim.session),
            ("d1", true, SessionKind::Clean)
        );
        assert_eq!((claim.host.as_str(), claim.model.as_deref()), ("gw.local", Some("dtmi:a:b;1")));
        assert_eq!(claim.client.as_deref(), Some("py/2"));
        assert!(matches!(&claim.proof, Proof::Token(token) if token == "good"));
    }
    world.devices.order(Order::Close(CloseReason::Superseded));
    assert!(raw.is_closed().await);
    until("it is counted", || world.handle.figures().mqtt_superseded.get() == 1).await;
    assert_eq!(world.handle.figures().mqtt_open.get(), 0);
    world.stopped().await;
}
