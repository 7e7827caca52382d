//! What is broken on purpose, and why identities have to go.

use skerry_amqp::connection::{Event, LinkId};
use skerry_amqp::performative::{Outcome, Role, condition};
use skerry_front::device::{CloseReason, FaultPart, Order};

use super::client::{Peer, body, offer};
use crate::world::{World, until};

/// Every link that a device may have, by the part that breaks it.
async fn all_links(peer: &mut Peer) -> Vec<(&'static str, LinkId)> {
    let mut links = Vec::new();
    let table = [
        ("telemetry", Role::Sender, "/devices/d1/messages/events"),
        ("commands", Role::Receiver, "/devices/d1/messages/devicebound"),
        ("twin requests", Role::Sender, "/devices/d1/twin"),
        ("twin answers", Role::Receiver, "/devices/d1/twin"),
        ("method requests", Role::Receiver, "/devices/d1/methods/devicebound"),
        ("method answers", Role::Sender, "/devices/d1/methods/devicebound"),
        ("token requests", Role::Sender, "$cbs"),
        ("token answers", Role::Receiver, "$cbs"),
        ("another device", Role::Sender, "/devices/d2/messages/events"),
    ];
    for (name, role, address) in table {
        let session = peer.session();
        links.push((name, peer.attach(session, offer(name, role, address)).await.0));
    }
    links
}

/// The names of links that ended, in the order of the table.
fn ended(peer: &Peer, links: &[(&'static str, LinkId)]) -> Vec<&'static str> {
    let mut ended = Vec::new();
    for (name, link) in links {
        for event in peer.left() {
            if let Event::Detached { link: known, fault } = event
                && known == link
            {
                let condition = fault.as_ref().map(|fault| fault.condition.to_string());
                assert_eq!(condition.as_deref(), Some(condition::DETACH_FORCED), "{name}");
                ended.push(*name);
            }
        }
    }
    ended
}

#[tokio::test]
async fn every_fault_breaks_what_it_names_and_nothing_else() {
    let table = [
        (FaultPart::Telemetry, vec!["telemetry"]),
        (FaultPart::Commands, vec!["commands"]),
        (FaultPart::TwinRequests, vec!["twin requests"]),
        (FaultPart::TwinAnswers, vec!["twin answers"]),
        (FaultPart::MethodRequests, vec!["method requests"]),
        (FaultPart::MethodAnswers, vec!["method answers"]),
        (FaultPart::TokenRequests, vec!["token requests"]),
        (FaultPart::TokenAnswers, vec!["token answers"]),
        (FaultPart::AmqpSession, vec!["telemetry"]),
    ];
    for (part, expected) in table {
        let world = World::start();
        // Its own tokens come by their own links, which are hit as well by faults of tokens.
        let credentials = super::client::plain("me", "good");
        let stream = world.amqp_stream().await;
        let mut peer = Peer::open(stream, super::client::options(), Some(credentials)).await;
        let links = all_links(&mut peer).await;
        world.devices.order_to("d1", Order::Fault(part));
        for name in &expected {
            let link = links.iter().find(|(known, _)| known == name).unwrap().1;
            let is_end =
                |event: &Event| matches!(event, Event::Detached { link: known, .. } if *known == link);
            let event = peer.wait(is_end).await;
            let Event::Detached { fault: Some(fault), .. } = event else { panic!("{part:?}: {event:?}") };
            assert_eq!(fault.condition.as_str(), condition::DETACH_FORCED, "{part:?}");
        }
        let other = links[8].1;
        assert_eq!(peer.deliver(other, body(b"still here")).await, Outcome::Accepted, "{part:?}");
        assert_eq!(ended(&peer, &links), Vec::<&str>::new(), "{part:?}");
        world.stopped().await;
    }
}

#[tokio::test]
async fn a_session_that_breaks_takes_its_links_along_and_no_other_session() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1", "d2"]).await;
    let session = peer.session();
    let mut links = Vec::new();
    for (name, role, address) in [
        ("one", Role::Sender, "/devices/d1/messages/events"),
        ("two", Role::Receiver, "/devices/d1/messages/devicebound"),
        ("three", Role::Sender, "/devices/d2/messages/events"),
    ] {
        links.push(peer.attach(session, offer(name, role, address)).await.0);
    }
    peer.receiver("/devices/d1/twin").await;
    world.devices.order_to("d1", Order::Fault(FaultPart::AmqpSession));
    for link in links {
        assert_eq!(peer.detached(link).await.condition.as_str(), condition::DETACH_FORCED);
    }
    assert!(peer.is_silent().await);
    until("the other device has no link left", || world.devices.has_left("d2")).await;
    assert!(!world.devices.has_left("d1"), "it has its link in the other session");
    world.stopped().await;
}

#[tokio::test]
async fn a_connection_that_breaks_says_so_or_not() {
    let world = World::start();
    let table = [
        (Order::Fault(FaultPart::AmqpConnection), Some("a fault was asked for")),
        (Order::Close(CloseReason::Fault), None),
        (Order::Close(CloseReason::Stopping), Some("the hub stops, connect again")),
    ];
    for (order, expected) in table {
        let mut peer = world.amqp_of(&["d1"]).await;
        peer.sender("/devices/d1/messages/events").await;
        world.devices.order_to("d1", order);
        let reason = peer.closed().await;
        assert_eq!(reason.as_ref().and_then(|fault| fault.description.as_deref()), expected);
        if let Some(fault) = reason {
            assert_eq!(fault.condition.as_str(), condition::CONNECTION_FORCED);
        }
    }
    let figures = world.handle.figures();
    until("they are counted", || figures.amqp_told_to_go.get() == 2 && figures.amqp_left.get() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn an_identity_that_has_to_go_takes_all_its_links_and_nobody_else_s() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1", "d2"]).await;
    let other = peer.sender("/devices/d2/messages/events").await;
    let reasons = [
        (CloseReason::Superseded, condition::STOLEN),
        (CloseReason::Expired, condition::UNAUTHORIZED_ACCESS),
        (CloseReason::Revoked, condition::UNAUTHORIZED_ACCESS),
        (CloseReason::Lagged, condition::DETACH_FORCED),
    ];
    for (count, (reason, expected)) in (1..).zip(reasons) {
        let sender = peer.sender("/devices/d1/messages/events").await;
        let bound = peer.receiver("/devices/d1/messages/devicebound").await;
        world.devices.order_to("d1", Order::Close(reason));
        for link in [sender, bound] {
            assert_eq!(peer.detached(link).await.condition.as_str(), expected, "{reason:?}");
        }
        until("it is gone", || *world.devices.gone.borrow() == count).await;
        assert_eq!(peer.deliver(other, body(b"still here")).await, Outcome::Accepted);
    }
    assert_eq!(world.handle.figures().amqp_identities_told_to_go.get(), 4);
    world.stopped().await;
}

#[tokio::test]
async fn a_stop_is_told() {
    let mut world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let sender = peer.sender("/devices/d1/messages/events").await;
    peer.deliver(sender, body(b"last")).await;
    world.stop();
    let reason = peer.closed().await.expect("a reason");
    assert_eq!(reason.condition.as_str(), condition::CONNECTION_FORCED);
    world.stopped().await;
}
