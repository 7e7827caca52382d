//! A client's machine against a server's, without anything in between.

mod rules;

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use super::*;
use crate::codec::Value;
use crate::performative::{
    Outcome, ReceiverSettles, Role, SaslCode, SenderSettles, Source, Target, condition,
};

struct Pair {
    client: Connection,
    server: Connection,
    of_client: VecDeque<Event>,
    of_server: VecDeque<Event>,
}

fn options() -> Options {
    Options::new("test".into())
}

/// Hands what one wrote to the other, unit by unit.
fn carry(from: &mut Connection, to: &mut Connection, events: &mut VecDeque<Event>) -> bool {
    let mut bytes = BytesMut::from(&std::mem::take(&mut from.out)[..]);
    let came = bytes.has_remaining();
    while let Some(len) = unit_length(&bytes, 64 << 10).unwrap() {
        let unit = bytes.split_to(len).freeze();
        to.handle_unit(unit).unwrap();
        while let Some(event) = to.poll_event() {
            if let Event::Sasl(_) = event {
                to.answer_sasl(SaslCode::Ok);
            }
            events.push_back(event);
        }
    }
    assert!(bytes.is_empty());
    came
}

impl Pair {
    fn new(client: Options, server: Options, credentials: Option<Credentials>) -> Self {
        let (client, server) = (Connection::client(client, credentials), Connection::server(server));
        Self { client, server, of_client: VecDeque::new(), of_server: VecDeque::new() }
    }

    fn open() -> Self {
        let mut pair = Self::new(options(), options(), None);
        pair.run();
        assert!(matches!(pair.of_client.pop_front(), Some(Event::Opened(_))));
        assert!(matches!(pair.of_server.pop_front(), Some(Event::Opened(_))));
        pair
    }

    fn run(&mut self) {
        while carry(&mut self.client, &mut self.server, &mut self.of_server)
            | carry(&mut self.server, &mut self.client, &mut self.of_client)
        {}
    }

    /// A link on which the client has this role; the server accepts it.
    fn link(&mut self, role: Role, window: u32) -> (LinkId, LinkId) {
        let session = self.client.begin().unwrap();
        let ours = self.client.attach(session, offer(role, window)).unwrap();
        self.run();
        let Some(Event::Attach { link, attach }) = self.of_server.pop_front() else { panic!("no attach") };
        self.server.accept(link, Reply::to(&attach, window, 1 << 20));
        self.run();
        assert!(matches!(self.of_client.pop_front(), Some(Event::Attached { .. })));
        (ours, link)
    }
}

fn offer(role: Role, window: u32) -> Offer {
    Offer {
        name: "link".into(),
        role,
        source: Source::at("here"),
        target: Target::at("there"),
        sender_settles: SenderSettles::Mixed,
        receiver_settles: ReceiverSettles::First,
        properties: Value::Null,
        window,
        message_bytes_max: 1 << 20,
    }
}

fn message(len: usize) -> Outgoing {
    Outgoing { payload: Bytes::from(vec![7; len]), ..Outgoing::default() }
}

#[test]
fn a_client_with_sasl_opens_and_closes() {
    let credentials = Credentials { mechanism: crate::performative::Mechanism::Anonymous, response: None };
    let mut pair = Pair::new(options(), options(), Some(credentials));
    pair.run();
    assert!(matches!(pair.of_server.pop_front(), Some(Event::Sasl(init)) if &*init.mechanism == "ANONYMOUS"));
    assert!(pair.client.is_open() && pair.server.is_open());
    pair.of_client.clear();
    pair.client.close(None);
    pair.run();
    assert_eq!(pair.of_client.pop_front(), Some(Event::Closed { fault: None }));
    assert!(pair.client.is_closed() && pair.server.is_closed());
}

#[test]
fn a_message_is_sent_and_settled() {
    let mut pair = Pair::open();
    let (sender, receiver) = pair.link(Role::Sender, 10);
    assert!(matches!(pair.of_client.pop_front(), Some(Event::Credit { .. })));
    let sent = pair.client.send(sender, message(300)).unwrap();
    pair.run();
    let Some(Event::Delivery { link, delivery }) = pair.of_server.pop_front() else { panic!("no delivery") };
    assert_eq!((link, delivery.payload.len(), delivery.is_settled), (receiver, 300, false));
    pair.server.settle(link, delivery.id, delivery.id, Outcome::Accepted);
    pair.run();
    let told =
        Event::Outcome { link: sender, delivery: sent, outcome: Some(Outcome::Accepted), is_settled: true };
    assert_eq!(pair.of_client.pop_front(), Some(told));
}

#[test]
fn a_message_larger_than_frames_and_windows_arrives_whole() {
    let small = Options { frame_bytes_max: 512, window: 4, ..options() };
    let mut pair = Pair::new(options(), small, None);
    pair.run();
    pair.of_server.clear();
    pair.of_client.clear();
    let (sender, _) = pair.link(Role::Sender, 10);
    pair.of_client.clear();
    pair.of_server.clear();
    for _ in 0..3 {
        assert!(pair.client.is_ready(sender));
        pair.client.send(sender, message(100_000)).unwrap();
        // Its rest waits for the window.
        assert!(!pair.client.is_ready(sender));
        pair.run();
        let Some(Event::Delivery { delivery, .. }) = pair.of_server.pop_front() else {
            panic!("no delivery")
        };
        assert_eq!(delivery.payload.len(), 100_000);
    }
}

#[test]
fn credit_bounds_what_is_sent_and_comes_back_with_outcomes() {
    let mut pair = Pair::open();
    let (sender, receiver) = pair.link(Role::Sender, 4);
    let mut ids = Vec::new();
    while pair.client.is_ready(sender) {
        ids.push(pair.client.send(sender, message(1)).unwrap());
    }
    assert_eq!(ids.len(), 4);
    pair.run();
    pair.server.settle(receiver, ids[0], ids[3], Outcome::Accepted);
    pair.run();
    assert_eq!(pair.client.credit(sender), 4);
}

#[test]
fn who_sends_without_credit_loses_the_link_and_nothing_else() {
    let mut pair = Pair::open();
    let (sender, receiver) = pair.link(Role::Sender, 1);
    pair.client.send(sender, message(1)).unwrap();
    pair.client.session(sender.session).unwrap().link_mut(sender).unwrap().credit = 1;
    pair.client.send(sender, message(1)).unwrap();
    pair.of_client.clear();
    pair.run();
    assert!(matches!(pair.of_server.pop_front(), Some(Event::Delivery { .. })));
    let fault = Fault::new(condition::TRANSFER_LIMIT_EXCEEDED, "a message came without credit");
    assert_eq!(
        pair.of_server.pop_front(),
        Some(Event::Detached { link: receiver, fault: Some(fault.clone()) })
    );
    assert_eq!(pair.of_client.pop_front(), Some(Event::Detached { link: sender, fault: Some(fault) }));
    assert!(pair.client.is_open() && pair.server.is_open());
}

#[test]
fn a_refused_link_is_attached_and_then_detached_with_the_reason() {
    let mut pair = Pair::open();
    let session = pair.client.begin().unwrap();
    let ours = pair.client.attach(session, offer(Role::Receiver, 1)).unwrap();
    pair.run();
    let Some(Event::Attach { link, attach }) = pair.of_server.pop_front() else { panic!("no attach") };
    pair.server.refuse(link, &attach, Fault::new(condition::NOT_FOUND, "nothing is here"));
    pair.run();
    let Some(Event::Attached { attach, .. }) = pair.of_client.pop_front() else { panic!("not attached") };
    assert!(attach.source.is_some() && attach.target.is_some());
    let Some(Event::Detached { link, fault: Some(fault) }) = pair.of_client.pop_front() else {
        panic!("not detached")
    };
    assert_eq!((link, fault.condition.as_str()), (ours, condition::NOT_FOUND));
    assert_eq!(pair.server.links, 0);
}

#[test]
fn a_drained_link_has_no_credit_left() {
    let mut pair = Pair::open();
    let (receiver, sender) = pair.link(Role::Receiver, 5);
    pair.client.recall(receiver);
    pair.run();
    assert!(pair.server.wants_drain(sender));
    pair.server.send(sender, Outgoing { is_settled: true, ..message(1) }).unwrap();
    pair.server.drain(sender);
    pair.run();
    assert_eq!(pair.server.credit(sender), 0);
    assert!(matches!(pair.of_client.pop_front(), Some(Event::Delivery { .. })));
    assert_eq!(pair.of_client.pop_front(), Some(Event::Recalled { link: receiver }));
    // Dealing with it gives no new credit; widening does, and what uses it up ends a recall, too.
    pair.client.forget(receiver, 1);
    pair.run();
    assert_eq!(pair.server.credit(sender), 0);
    pair.client.widen(receiver, 1);
    pair.run();
    assert_eq!(pair.server.credit(sender), 1);
    pair.server.send(sender, Outgoing { is_settled: true, ..message(1) }).unwrap();
    pair.client.recall(receiver);
    pair.run();
    assert!(matches!(pair.of_client.pop_front(), Some(Event::Delivery { .. })));
    assert_eq!(pair.of_client.pop_front(), Some(Event::Recalled { link: receiver }));
    pair.client.recall(receiver);
    assert_eq!(pair.client.poll_event(), Some(Event::Recalled { link: receiver }));
}

#[test]
fn the_end_of_a_session_ends_its_links_and_frees_its_channel() {
    let mut pair = Pair::open();
    let (ours, theirs) = pair.link(Role::Sender, 5);
    pair.of_client.clear();
    pair.client.end(ours.session(), None);
    pair.run();
    assert_eq!(pair.of_server.pop_front(), Some(Event::Detached { link: theirs, fault: None }));
    assert!(pair.client.sessions.is_empty() && pair.server.sessions.is_empty());
    assert!(pair.server.channels.is_empty());
    pair.of_client.clear();
    let (again, _) = pair.link(Role::Sender, 5);
    assert_ne!(again, ours);
}

#[test]
fn signs_of_life_are_twice_as_frequent_as_they_must_be() {
    let patient = Options { idle_timeout: Duration::from_secs(10), ..options() };
    let mut pair = Pair::new(patient, options(), None);
    pair.run();
    assert_eq!(pair.server.deadline(), Some(Duration::from_secs(5)));
    pair.server.handle_time(Duration::from_secs(5)).unwrap();
    assert_eq!(pair.server.out, [0, 0, 0, 8, 2, 0, 0, 0]);
    assert_eq!(pair.server.deadline(), Some(Duration::from_secs(10)));
    assert_eq!(pair.client.handle_time(Duration::from_secs(20)), Err(Violation::Silent));
}

#[test]
fn the_answer_to_a_link_that_is_not_wanted_any_more_begins_nothing() {
    let mut pair = Pair::open();
    let session = pair.client.begin().unwrap();
    let ours = pair.client.attach(session, offer(Role::Receiver, 1)).unwrap();
    pair.client.detach(ours, None);
    let again = pair.client.attach(session, offer(Role::Receiver, 1)).unwrap();
    carry(&mut pair.client, &mut pair.server, &mut pair.of_server);
    let attaches: Vec<_> = pair.of_server.drain(..).collect();
    let [
        Event::Attach { link: first, .. },
        Event::Detached { link, .. },
        Event::Attach { link: second, attach },
    ] = &attaches[..]
    else {
        panic!("{attaches:?}")
    };
    assert_eq!(first, link);
    pair.server.accept(*second, Reply::to(attach, 1, 1));
    pair.run();
    assert!(matches!(pair.of_client.pop_front(), Some(Event::Attached { link, .. }) if link == again));
    assert_eq!((pair.of_client.pop_front(), pair.client.links, pair.server.links), (None, 1, 1));
}

#[test]
fn room_that_the_end_of_a_link_makes_is_told_to_the_others() {
    let mut pair = Pair::new(Options { unsettled_max: 1, ..options() }, options(), None);
    pair.run();
    pair.of_client.clear();
    pair.of_server.clear();
    let (one, _) = pair.link(Role::Sender, 5);
    let other = pair.client.attach(one.session(), Offer { name: "other".into(), ..offer(Role::Sender, 5) });
    pair.run();
    let Some(Event::Attach { link, attach }) = pair.of_server.pop_front() else { panic!("no attach") };
    pair.server.accept(link, Reply::to(&attach, 5, 1 << 20));
    pair.run();
    pair.client.send(one, message(1)).unwrap();
    assert!(!pair.client.is_ready(other.unwrap()));
    pair.of_client.clear();
    pair.client.detach(one, None);
    assert_eq!(pair.client.poll_event(), Some(Event::Credit { link: other.unwrap() }));
    assert!(pair.client.is_ready(other.unwrap()));
}
