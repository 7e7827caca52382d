//! All the ways to begin.

use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::PrivateKeyDer;
use skerry_amqp::connection::{Credentials, Event};
use skerry_amqp::performative::{Mechanism, Outcome, Role, condition};
use skerry_front::device::Proof;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::{Peer, body, offer, options, plain};
use crate::world::{World, until, within};

/// What the server says until it closes, to somebody who says this.
async fn said(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut stream = world.amqp_stream().await;
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    within(stream.read_to_end(&mut said)).await.ok();
    said
}

#[tokio::test]
async fn clients_begin_with_or_without_sasl() {
    let world = World::start();
    let say = |mechanism| Some(Credentials { mechanism, response: None });
    let table = [
        None,
        say(Mechanism::Anonymous),
        say(Mechanism::Mssbcbs),
        say(Mechanism::External),
        Some(plain("me", "good")),
    ];
    for credentials in table {
        let mut peer = Peer::open(world.amqp_stream().await, options(), credentials).await;
        assert_eq!(peer.open.frame_bytes_max, Some(64 << 10));
        assert_eq!(peer.open.idle_timeout_ms, Some(120_000));
        peer.machine.close(None);
        assert_eq!(peer.closed().await, None);
    }
    until("all left by their own will", || world.handle.figures().amqp_left.get() == 5).await;
    assert_eq!(world.handle.figures().amqp_open.get(), 0);
    world.stopped().await;
}

#[tokio::test]
async fn whoever_is_not_believed_is_told_and_closed() {
    let world = World::start();
    let bare = |mechanism| Credentials { mechanism, response: None };
    let broken = Credentials { response: Some(Bytes::from_static(b"me")), ..bare(Mechanism::Plain) };
    for credentials in [plain("me", "bad"), broken, bare(Mechanism::Plain)] {
        let mut peer = Peer::begin(world.amqp_stream().await, options(), Some(credentials));
        assert_eq!(peer.closed().await, None);
        assert!(peer.machine.is_closed(), "the outcome came");
    }
    // A mechanism that nobody knows: the header, what is offered, and the outcome 1.
    let init =
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x1a\x02\x01\x00\x00\x00\x53\x41\xc0\x0d\x03\xa3\x05LOGIN\x40\x40";
    let mut init = init.to_vec();
    let len = init.len() - 8;
    init[11] = len as u8;
    init[20] = (init.len() - 21) as u8;
    let heard = said(&world, &init).await;
    assert!(heard.starts_with(b"AMQP\x03\x01\x00\x00"), "{heard:02x?}");
    for name in ["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"] {
        assert!(heard.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
    let outcome = [0x00, 0x53, 0x44, 0xd0, 0, 0, 0, 7, 0, 0, 0, 2, 0x50, 1, 0x40];
    assert!(heard.ends_with(&outcome), "{heard:02x?}");
    until("all are counted", || world.handle.figures().amqp_unproven.get() == 4).await;
    world.stopped().await;
}

#[tokio::test]
async fn another_version_is_answered_with_ours() {
    let world = World::start();
    for wrong in [b"AMQP\x00\x00\x09\x01", b"AMQP\x01\x01\x00\x00", b"AMQP\x02\x01\x00\x00"] {
        assert_eq!(said(&world, wrong).await, b"AMQP\x00\x01\x00\x00", "{wrong:02x?}");
    }
    world.stopped().await;
}

#[tokio::test]
async fn what_follows_in_one_piece_is_served_in_its_order() {
    let world = World::start();
    let mut peer = Peer::begin(world.amqp_stream().await, options(), Some(plain("me", "good")));
    // The password is looked at while the rest is there already.
    let opened = peer.wait(|event| matches!(event, Event::Opened(_))).await;
    drop(opened);
    let session = peer.session();
    let pipelined = [
        offer("one", Role::Sender, "/devices/d1/messages/events"),
        offer("two", Role::Receiver, "/devices/d1/messages/devicebound"),
        offer("three", Role::Receiver, "hub1/ConsumerGroups/$Default/Partitions/0"),
    ];
    let links: Vec<_> =
        pipelined.into_iter().map(|offer| peer.machine.attach(session, offer).unwrap()).collect();
    for link in &links {
        peer.wait(|event| matches!(event, Event::Attached { link: known, .. } if known == link)).await;
    }
    let claims = world.devices.claims.lock().unwrap().clone();
    assert_eq!(claims.len(), 1, "one identity, two links");
    assert!(matches!(&claims[0].proof, Proof::Token(token) if token == "good"));
    assert_eq!(claims[0].host, "hub1.iot.test");
    assert_eq!(world.links.wanted.lock().unwrap()[0].host, "hub1.iot.test");
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_shows_nothing_is_closed() {
    let world = World::with(|options| options.amqp_limits.unproven_timeout = Duration::from_millis(150));
    let mut silent = world.amqp_stream().await;
    let mut nothing = Vec::new();
    within(silent.read_to_end(&mut nothing)).await.ok();
    assert_eq!(nothing, b"");
    let mut open = world.amqp().await;
    let reason = open.closed().await.expect("a reason");
    assert_eq!(reason.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    let mut wrong = world.amqp().await;
    assert_eq!(wrong.put_token("hub1.iot.test", "bad").await.0, 401);
    wrong.closed().await.expect("a bad token is none");
    let mut good = world.amqp().await;
    assert_eq!(good.put_token("hub1.iot.test", "good").await.0, 200);
    until("three are gone", || world.handle.figures().amqp_unproven.get() == 3).await;
    assert!(good.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn a_certificate_counts_without_a_token() {
    let world = World::with(|options| options.amqp_limits.unproven_timeout = Duration::from_millis(300));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let client = world.amqp_client().certified(certificate.der().clone(), key);
    let mut peer = Peer::open(client.connect().await, options(), None).await;
    let sender = peer.sender("/devices/d1/messages/events").await;
    assert_eq!(peer.deliver(sender, body(b"hello")).await, Outcome::Accepted);
    {
        let claims = world.devices.claims.lock().unwrap();
        let Proof::Certificate(shown) = &claims[0].proof else { panic!("{:?}", claims[0].proof) };
        assert_eq!(&shown[0], certificate.der());
    }
    // And who has none is refused where no token speaks for it.
    let mut other = world.amqp_of(&["d2"]).await;
    let link = other.receiver("/devices/d1/messages/devicebound").await;
    assert_eq!(other.detached(link).await.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(peer.is_silent().await);
    world.stopped().await;
}

#[tokio::test]
async fn a_device_that_is_not_let_in_is_told_on_each_of_its_links() {
    let world = World::start();
    let mut peer = world.amqp().await;
    // The links behind it say what a token is for; the devices say whether it counts.
    assert_eq!(peer.put_token("hub1.iot.test/devices/d1", "disabled").await.0, 200);
    let session = peer.session();
    let events = offer("events", Role::Sender, "/devices/d1/messages/events");
    let bound = offer("bound", Role::Receiver, "/devices/d1/messages/devicebound");
    let links = [events, bound].map(|offer| peer.machine.attach(session, offer).unwrap());
    for link in links {
        let event = peer.wait(|event| matches!(event, Event::Attached { link: known, .. } if *known == link));
        let Event::Attached { attach, .. } = event.await else { unreachable!() };
        assert!(attach.source.is_some() && attach.target.is_some(), "both termini are given back");
        assert_eq!(peer.detached(link).await.condition.as_str(), condition::UNAUTHORIZED_ACCESS);
    }
    assert_eq!(world.devices.claims.lock().unwrap().len(), 1, "asked once");
    assert_eq!(world.handle.figures().amqp_identities_refused.get(), 1);
    peer.put_token("hub1.iot.test/devices/d1", "good").await;
    let sender = peer.sender("/devices/d1/messages/events").await;
    assert_eq!(peer.deliver(sender, body(b"hello")).await, Outcome::Accepted);
    world.stopped().await;
}

#[tokio::test]
async fn links_to_nowhere_are_refused_and_the_connection_lives_on() {
    let world = World::start();
    let mut peer = world.amqp_of(&["d1"]).await;
    let session = peer.session();
    let (link, _) = peer.attach(session, offer("c", Role::Sender, "/devices/d1/messages/devicebound")).await;
    assert_eq!(peer.detached(link).await.condition.as_str(), condition::NOT_ALLOWED);
    for address in ["/devices/d1/nothing", "", "x/y/z", "/devices//twin"] {
        let link = peer.receiver(address).await;
        assert_eq!(peer.detached(link).await.condition.as_str(), condition::NOT_FOUND, "{address}");
    }
    assert!(peer.is_silent().await);
    world.stopped().await;
}
