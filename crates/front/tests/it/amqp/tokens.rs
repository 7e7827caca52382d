//! Tokens that are shown on the connection.

use skerry_amqp::codec::Value;
use skerry_amqp::connection::Event;
use skerry_amqp::message::{Properties, Writer};
use skerry_amqp::performative::{Outcome, Role, condition};
use skerry_front::device::{CloseReason, Order, Proof};

use super::client::{body, offer, sections, status, token_request, unsettled};
use crate::world::{World, until};

const HUB: &str = "hub1.iot.test";

#[tokio::test]
async fn answers_keep_the_type_of_the_request_s_id() {
    let world = World::start();
    let mut peer = world.amqp().await;
    let receiver = peer.receiver("$cbs").await;
    let sender = peer.sender("$cbs").await;
    let ids =
        [Value::Ulong(0), Value::Ulong(1 << 40), Value::string("id"), Value::Uuid([7; 16]), Value::Null];
    for (at, id) in ids.into_iter().enumerate() {
        let (token, expected) = if at % 2 == 0 { ("good", 200) } else { ("bad", 401) };
        assert_eq!(peer.deliver(sender, token_request(id.clone(), HUB, token)).await, Outcome::Accepted);
        let delivery = peer.delivery(receiver).await;
        assert!(delivery.is_settled, "some clients never settle it");
        let answer = sections(&delivery);
        assert_eq!(answer.properties.correlation_id, id);
        assert_eq!(status(&answer).0, expected);
    }
    assert_eq!(world.handle.figures().amqp_tokens_refused.get(), 2);
    world.stopped().await;
}

#[tokio::test]
async fn requests_that_cannot_be_understood_are_answered() {
    let world = World::start();
    let mut peer = world.amqp().await;
    let receiver = peer.receiver("$cbs").await;
    let sender = peer.sender("$cbs").await;
    let request = |operation: &str, kind: &str, name: &str, token: &Value| {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.properties(&Properties { message_id: Value::Ulong(1), ..Properties::default() });
        writer
            .application()
            .string_text("operation", operation)
            .string_text("type", kind)
            .string_text("name", name);
        writer.value(token);
        out
    };
    let (put, kind, good) = ("put-token", "servicebus.windows.net:SASTOKEN", Value::string("good"));
    let table = [
        (request("get-token", kind, HUB, &good), 400),
        (request(put, "jwt", HUB, &good), 400),
        (request(put, kind, &"n".repeat(2000), &good), 400),
        (request(put, kind, HUB, &Value::Ulong(3)), 400),
        (request(put, kind, HUB, &Value::string(&"good".repeat(1000))), 400),
        (body(b"good"), 400),
        (request(put, kind, HUB, &good), 200),
    ];
    for (request, expected) in table {
        assert_eq!(peer.deliver(sender, request).await, Outcome::Accepted);
        assert_eq!(status(&peer.message(receiver).await).0, expected);
    }
    // What is no message at all has no id to answer to.
    let outcome = peer.deliver(sender, &b"garbage"[..]).await;
    let Outcome::Rejected(Some(fault)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.condition.as_str(), condition::DECODE_ERROR);
    world.stopped().await;
}

#[tokio::test]
async fn the_answer_goes_to_the_receiver_that_the_request_names() {
    let world = World::start();
    let mut peer = world.amqp().await;
    let session = peer.session();
    let mut receivers = Vec::new();
    for name in ["one", "two", "three"] {
        let mut offer = offer(name, Role::Receiver, "$cbs");
        offer.target.address = Value::string(name);
        receivers.push(peer.attach(session, offer).await.0);
    }
    let other = peer.session();
    let (nearby, _) = peer.attach(other, offer("nearby", Role::Receiver, "$cbs")).await;
    let (sender, _) = peer.attach(other, offer("sender", Role::Sender, "$cbs")).await;
    for (reply_to, expected) in [("two", receivers[1]), ("one", receivers[0]), ("nobody", nearby)] {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.properties(&Properties { reply_to: Value::string(reply_to), ..Properties::default() });
        writer.data(b"");
        peer.deliver(sender, out).await;
        let came = peer.wait(|event| matches!(event, Event::Delivery { .. })).await;
        let Event::Delivery { link, .. } = came else { unreachable!() };
        assert_eq!(link, expected, "{reply_to}");
    }
    world.stopped().await;
}

#[tokio::test]
async fn a_token_that_is_shown_again_reaches_the_session_and_changes_nothing_else() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1", "d2"]).await;
    let one = peer.sender("/devices/d1/messages/events").await;
    let two = peer.sender("/devices/d2/messages/events").await;
    assert!(world.devices.renewed.lock().unwrap().is_empty());
    assert_eq!(peer.put_token("hub1.iot.test/devices/d1", "good again").await.0, 200);
    {
        let renewed = world.devices.renewed.lock().unwrap();
        assert!(
            matches!(&renewed[..], [(name, Proof::Token(token))] if name == "d1" && token == "good again")
        );
    }
    assert_eq!(peer.put_token("hub1.iot.test/devices/d1", "bad").await.0, 401);
    assert_eq!(world.devices.renewed.lock().unwrap().len(), 1);
    for link in [one, two] {
        assert_eq!(peer.deliver(link, body(b"still here")).await, Outcome::Accepted);
    }
    world.stopped().await;
}

#[tokio::test]
async fn a_token_that_is_shown_while_its_device_comes_in_counts_for_it() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    world.devices.is_undecided.send_replace(true);
    let session = peer.session();
    let asked = offer("events", Role::Sender, "/devices/d1/messages/events");
    let link = peer.machine.attach(session, asked).unwrap();
    peer.flush().await;
    until("it is asked about", || world.devices.claims.lock().unwrap().len() == 1).await;
    assert_eq!(peer.put_token("hub1.iot.test/devices/d1", "good again").await.0, 200);
    assert!(world.devices.renewed.lock().unwrap().is_empty(), "nobody is there yet");
    world.devices.is_undecided.send_replace(false);
    peer.ready(link).await;
    until("its session has heard of it", || {
        let renewed = world.devices.renewed.lock().unwrap();
        matches!(&renewed[..], [(name, Proof::Token(token))] if name == "d1" && token == "good again")
    })
    .await;
    world.stopped().await;
}

#[tokio::test]
async fn a_policy_s_token_renews_those_that_came_by_it_and_a_device_s_its_modules() {
    let world = World::start();
    let mut peer = world.amqp_service().await;
    peer.sender("/devices/d1/messages/events").await;
    peer.put_token("hub1.iot.test/devices/d2", "good").await;
    peer.sender("/devices/d2/messages/events").await;
    peer.sender("/devices/d2/modules/m/messages/events").await;
    let names = || {
        let mut renewed = world.devices.renewed.lock().unwrap();
        renewed.drain(..).map(|(name, _)| name).collect::<Vec<_>>()
    };
    peer.put_token(HUB, "good").await;
    assert_eq!(names(), ["d1"]);
    peer.put_token("hub1.iot.test/devices/d2", "good").await;
    assert_eq!(names(), ["d2", "d2/m"]);
    world.stopped().await;
}

#[tokio::test]
async fn one_of_three_devices_expires_and_the_others_keep_sending() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1", "d2", "d3"]).await;
    let mut senders = Vec::new();
    for device in ["d1", "d2", "d3"] {
        senders.push(peer.sender(&format!("/devices/{device}/messages/events")).await);
    }
    let twin = peer.receiver("/devices/d2/twin").await;
    world.devices.order_to("d2", Order::Close(CloseReason::Expired));
    for link in [senders[1], twin] {
        assert_eq!(peer.detached(link).await.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    }
    until("it is gone", || world.devices.has_left("d2")).await;
    for link in [senders[0], senders[2]] {
        assert_eq!(peer.deliver(link, body(b"still here")).await, Outcome::Accepted);
    }
    // It may come back on the same connection.
    assert_eq!(peer.put_token("hub1.iot.test/devices/d2", "good").await.0, 200);
    let again = peer.sender("/devices/d2/messages/events").await;
    assert_eq!(peer.deliver(again, body(b"back")).await, Outcome::Accepted);
    world.stopped().await;
}

#[tokio::test]
async fn links_of_a_policy_s_token_end_with_it() {
    let world = World::start();
    let mut peer = world.amqp().await;
    assert_eq!(peer.put_token("hub1.iot.test/a", "short").await.0, 200);
    let source = peer.receiver("hub1/ConsumerGroups/$Default/Partitions/0").await;
    let target = peer.sender("/messages/devicebound").await;
    peer.put_token("hub1.iot.test/devices/d1", "good").await;
    let device = peer.sender("/devices/d1/messages/events").await;
    for link in [source, target] {
        let fault = peer.detached(link).await;
        assert_eq!(fault.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    }
    until("the source is given up", || *world.links.sources_gone.lock().unwrap() == 1).await;
    assert_eq!(peer.deliver(device, body(b"still here")).await, Outcome::Accepted);
    // Shown in time it goes on.
    peer.put_token("hub1.iot.test/a", "short").await;
    peer.receiver("hub1/ConsumerGroups/$Default/Partitions/0").await;
    peer.put_token("hub1.iot.test/a", "good").await;
    tokio::time::sleep(crate::links::SHORT * 2).await;
    assert!(peer.is_silent().await, "{:?}", peer.left());
    assert_eq!(*world.links.sources_gone.lock().unwrap(), 1);
    world.stopped().await;
}

#[tokio::test]
async fn a_link_goes_by_the_token_that_it_was_asked_for_with_whatever_comes_meanwhile() {
    let world = World::start();
    let mut peer = world.amqp().await;
    peer.put_token("hub1.iot.test/a", "short").await;
    world.links.is_slow.send_replace(true);
    let session = peer.session();
    let source = offer("link", Role::Receiver, "hub1/ConsumerGroups/$Default/Partitions/0");
    let link = peer.machine.attach(session, source).unwrap();
    peer.flush().await;
    until("the link is asked for", || world.links.wanted.lock().unwrap().len() == 1).await;
    // It takes the first one's place in the list when that is over.
    peer.put_token("hub1.iot.test/b", "good").await;
    tokio::time::sleep(crate::links::SHORT * 2).await;
    world.links.is_slow.send_replace(false);
    let fault = peer.detached(link).await;
    assert_eq!(fault.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_whose_tokens_are_all_over_is_closed() {
    let world = World::with(|options| {
        options.amqp_limits.unproven_timeout = std::time::Duration::from_millis(100);
    });
    let mut peer = world.amqp().await;
    assert_eq!(peer.put_token(HUB, "short").await.0, 200);
    let reason = peer.closed().await.expect("a reason");
    assert_eq!(reason.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    world.stopped().await;
}

#[tokio::test]
async fn more_tokens_than_anybody_needs_are_refused() {
    let world = World::start();
    let mut peer = world.amqp().await;
    let receiver = peer.receiver("$cbs").await;
    let sender = peer.sender("$cbs").await;
    for number in 0..1025 {
        let audience = format!("hub1.iot.test/devices/d{number}");
        peer.send(sender, unsettled(token_request(Value::Ulong(number), &audience, "good"))).await;
        let (status, what) = status(&peer.message(receiver).await);
        assert_eq!(status, if number < 1024 { 200 } else { 403 }, "{what}");
    }
    // Those that are there may be shown again.
    peer.send(sender, unsettled(token_request(Value::Null, "hub1.iot.test/devices/d5", "good"))).await;
    assert_eq!(status(&peer.message(receiver).await).0, 200);
    world.stopped().await;
}
