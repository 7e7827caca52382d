//! A server's machine against a peer that says what it likes, frame by frame.

use std::borrow::Borrow;
use std::time::Duration;

use bytes::Bytes;

use super::options;
use crate::codec::{CodecLimits, Input, Text};
use crate::connection::{Connection, Event, LinkId, Options, Reply, Violation, unit_length};
use crate::frame::{Frame, Kind, put_frame};
use crate::performative::{
    Attach, Begin, Close, Detach, Disposition, End, Fault, Flow, Open, Outcome, Performative, Role, Source,
    Target, Transfer, condition,
};

struct Peer {
    server: Connection,
    events: Vec<Event>,
}

impl Peer {
    fn open(options: Options) -> Self {
        let mut peer = Self { server: Connection::server(options), events: Vec::new() };
        peer.server.handle_unit(Bytes::from_static(b"AMQP\x00\x01\x00\x00")).unwrap();
        peer.say(0, Performative::Open(Box::new(Open { container: "peer".into(), ..Open::default() })))
            .unwrap();
        peer.server.out.clear();
        peer.events.clear();
        peer
    }

    fn say(&mut self, channel: u16, performative: impl Borrow<Performative>) -> Result<(), Violation> {
        self.say_with(channel, performative, b"")
    }

    fn say_with(
        &mut self,
        channel: u16,
        performative: impl Borrow<Performative>,
        payload: &[u8],
    ) -> Result<(), Violation> {
        let mut frame = Vec::new();
        put_frame(&mut frame, Kind::Amqp, channel, |out| {
            performative.borrow().encode(out);
            out.extend_from_slice(payload);
        });
        let outcome = self.server.handle_unit(frame.into());
        self.events.extend(std::iter::from_fn(|| self.server.poll_event()));
        outcome
    }

    /// What the server said, without the signs of life.
    fn hear(&mut self) -> Vec<(u16, Performative)> {
        let mut bytes = Bytes::from(std::mem::take(&mut self.server.out));
        let mut heard = Vec::new();
        while let Some(len) = unit_length(&bytes, 1 << 20).unwrap() {
            let frame = Frame::parse(bytes.split_to(len)).unwrap();
            let mut input = Input::new(frame.body, CodecLimits::default());
            heard.push((frame.channel, Performative::decode(&mut input).unwrap()));
        }
        heard
    }

    fn asked(&mut self) -> (LinkId, Attach) {
        let asked = self.events.drain(..).find_map(|event| match event {
            Event::Attach { link, attach } => Some((link, *attach)),
            _ => None,
        });
        asked.expect("the peer asked for a link")
    }

    /// In session 0, which begins with it.
    fn sender(options: Options, window: u32) -> (Self, LinkId) {
        let mut peer = Self::open(options);
        peer.say(0, begin()).unwrap();
        peer.say(0, attach("link", 7, Role::Sender)).unwrap();
        let (link, asked) = peer.asked();
        peer.server.accept(link, Reply::to(&asked, window, 1000));
        peer.server.out.clear();
        (peer, link)
    }
}

fn begin() -> Performative {
    let begin = Begin { next_outgoing: 5, incoming_window: 100, outgoing_window: 100, ..Begin::default() };
    Performative::Begin(begin)
}

fn attach(name: &str, handle: u32, role: Role) -> Performative {
    Performative::Attach(Box::new(Attach {
        name: name.into(),
        handle,
        role,
        source: Some(Source::at("here")),
        target: Some(Target::at("there")),
        delivery_count: Some(0),
        ..Attach::default()
    }))
}

fn transfer(handle: u32, delivery: u32) -> Transfer {
    Transfer { handle, delivery: Some(delivery), tag: Some(Bytes::from_static(b"t")), ..Transfer::default() }
}

fn condition_of(fault: Option<&Fault>) -> &str {
    fault.map_or("", |fault| fault.condition.as_str())
}

/// The reason of the one detach, end or close among what was heard.
fn ended(heard: &[(u16, Performative)]) -> (&'static str, &str) {
    let mut ends = heard.iter().filter_map(|(_, performative)| match performative {
        Performative::Detach(detach) => Some(("detach", condition_of(detach.fault.as_ref()))),
        Performative::End(end) => Some(("end", condition_of(end.fault.as_ref()))),
        Performative::Close(close) => Some(("close", condition_of(close.fault.as_ref()))),
        _ => None,
    });
    let one = ends.next().expect("something ended");
    assert_eq!(ends.next(), None, "{heard:?}");
    one
}

#[test]
fn each_mistake_ends_the_smallest_thing_that_it_is_in() {
    let flow = |handle, credit| {
        Performative::Flow(Flow {
            next_incoming: Some(1),
            incoming_window: 100,
            next_outgoing: 5,
            outgoing_window: 100,
            handle,
            credit,
            delivery_count: Some(0),
            ..Flow::default()
        })
    };
    let first = || transfer(7, 1);
    let table: Vec<(&str, Performative, (&str, &str))> = vec![
        (
            "a transfer for a handle that nobody has",
            Performative::Transfer(transfer(9, 1)),
            ("end", condition::UNATTACHED_HANDLE),
        ),
        ("a flow for one", flow(Some(9), Some(1)), ("end", condition::UNATTACHED_HANDLE)),
        (
            "a detach of one",
            Performative::Detach(Detach { handle: 9, ..Detach::default() }),
            ("end", condition::UNATTACHED_HANDLE),
        ),
        ("a handle twice", attach("other", 7, Role::Sender), ("end", condition::HANDLE_IN_USE)),
        ("a name without end", attach(&"n".repeat(2000), 8, Role::Sender), ("end", condition::HANDLE_IN_USE)),
        (
            "a message without a number",
            Performative::Transfer(Transfer { delivery: None, ..first() }),
            ("detach", condition::INVALID_FIELD),
        ),
        (
            "a tag that is too long",
            Performative::Transfer(Transfer { tag: Some(vec![0; 33].into()), ..first() }),
            ("detach", condition::INVALID_FIELD),
        ),
        ("a second open", Performative::Open(Box::default()), ("close", condition::FRAMING_ERROR)),
        ("a session on a channel that is taken", begin(), ("close", condition::RESOURCE_LIMIT_EXCEEDED)),
        (
            "an answer to a session that we did not begin",
            Performative::Begin(Begin { remote_channel: Some(0), ..Begin::default() }),
            ("close", condition::RESOURCE_LIMIT_EXCEEDED),
        ),
    ];
    for (what, wrong, expected) in table {
        let (mut peer, _) = Peer::sender(options(), 10);
        let outcome = peer.say(0, wrong);
        assert_eq!(outcome.is_err(), expected.0 == "close", "{what}");
        assert_eq!(ended(&peer.hear()), expected, "{what}");
    }
}

#[test]
fn what_a_link_does_not_take_ends_the_link_alone() {
    let (mut peer, link) = Peer::sender(options(), 10);
    peer.say_with(0, Performative::Transfer(Transfer { has_more: true, ..transfer(7, 1) }), &[0; 900])
        .unwrap();
    let rest = Transfer { handle: 7, ..Transfer::default() };
    peer.say_with(0, Performative::Transfer(rest), &[0; 101]).unwrap();
    assert_eq!(ended(&peer.hear()), ("detach", condition::MESSAGE_SIZE_EXCEEDED));
    assert!(matches!(&peer.events[..], [Event::Detached { link: known, .. }] if *known == link));
    assert_eq!(peer.server.partial_bytes, 0);

    let (mut peer, _) = Peer::sender(options(), 10);
    peer.say(0, Performative::Transfer(Transfer { has_more: true, ..transfer(7, 1) })).unwrap();
    peer.say(0, Performative::Transfer(transfer(7, 2))).unwrap();
    assert_eq!(ended(&peer.hear()), ("detach", condition::NOT_ALLOWED));
}

#[test]
fn messages_in_the_making_have_a_bound_together() {
    let small = Options { partial_bytes_max: 1500, ..options() };
    let (mut peer, _) = Peer::sender(small, 10);
    peer.say(0, attach("other", 8, Role::Sender)).unwrap();
    let (other, asked) = peer.asked();
    peer.server.accept(other, Reply::to(&asked, 10, 1000));
    peer.server.out.clear();
    for handle in [7, 8] {
        let begins = Transfer { has_more: true, ..transfer(handle, handle) };
        peer.say_with(0, Performative::Transfer(begins), &[0; 900]).unwrap();
    }
    assert_eq!(ended(&peer.hear()), ("detach", condition::RESOURCE_LIMIT_EXCEEDED));
    assert_eq!(peer.server.partial_bytes, 900);
    let rest = Transfer { handle: 7, ..Transfer::default() };
    peer.say(0, Performative::Transfer(rest)).unwrap();
    assert!(matches!(peer.events.last(), Some(Event::Delivery { .. })), "the first one goes on");
}

#[test]
fn more_frames_than_the_window_allows_end_the_session() {
    let small = Options { window: 4, ..options() };
    let (mut peer, link) = Peer::sender(small, 100);
    // The window is opened again and again, for a peer that looks at it.
    for number in 1..=50 {
        peer.say(0, Performative::Transfer(transfer(7, number))).unwrap();
    }
    assert!(peer.hear().iter().all(|(_, heard)| matches!(heard, Performative::Flow(_))));
    peer.server.session(link.session).unwrap().incoming_window = 0;
    peer.say(0, Performative::Transfer(transfer(7, 51))).unwrap();
    assert_eq!(ended(&peer.hear()), ("end", condition::WINDOW_VIOLATION));
}

#[test]
fn a_window_of_one_frame_is_enough() {
    let (mut peer, link) = Peer::sender(Options { window: 1, ..options() }, 1);
    for number in 1..=5 {
        peer.say(0, Performative::Transfer(transfer(7, number))).unwrap();
        peer.server.settle(link, number, number, Outcome::Accepted);
    }
    let deliveries = peer.events.iter().filter(|event| matches!(event, Event::Delivery { .. }));
    assert_eq!(deliveries.count(), 5);
}

#[test]
fn a_message_in_the_making_takes_its_place_in_the_window() {
    let (mut peer, link) = Peer::sender(options(), 1);
    peer.say(0, Performative::Transfer(Transfer { has_more: true, ..transfer(7, 1) })).unwrap();
    assert_eq!(peer.server.credit(link), 0);
    let rest = Transfer { handle: 7, ..Transfer::default() };
    peer.say(0, Performative::Transfer(rest)).unwrap();
    assert_eq!(peer.server.credit(link), 0, "it has no outcome");
    peer.server.settle(link, 1, 1, Outcome::Accepted);
    assert_eq!(peer.server.credit(link), 1);
}

#[test]
fn an_aborted_message_is_none_and_its_credit_is_used() {
    let (mut peer, link) = Peer::sender(options(), 10);
    peer.say(0, Performative::Transfer(Transfer { has_more: true, ..transfer(7, 1) })).unwrap();
    peer.say(0, Performative::Transfer(Transfer { is_aborted: true, ..transfer(7, 1) })).unwrap();
    peer.say(0, Performative::Transfer(Transfer { is_aborted: true, ..transfer(7, 2) })).unwrap();
    assert_eq!(peer.server.credit(link), 8);
    assert_eq!(peer.events, []);
    peer.say(0, Performative::Transfer(transfer(7, 3))).unwrap();
    assert!(matches!(&peer.events[..], [Event::Delivery { delivery, .. }] if delivery.id == 3));
}

#[test]
fn nothing_is_said_of_a_link_before_it_is_attached() {
    let mut peer = Peer::open(options());
    peer.say(0, begin()).unwrap();
    peer.say(0, attach("link", 3, Role::Receiver)).unwrap();
    let (link, asked) = peer.asked();
    peer.server.out.clear();
    let flow = Flow {
        next_incoming: Some(1),
        incoming_window: 10,
        next_outgoing: 5,
        outgoing_window: 10,
        handle: Some(3),
        credit: Some(4),
        wants_echo: true,
        ..Flow::default()
    };
    peer.say(0, Performative::Flow(flow.clone())).unwrap();
    assert_eq!(peer.hear(), []);
    // Its credit counts all the same.
    peer.server.accept(link, Reply::to(&asked, 0, 1000));
    assert_eq!(peer.server.poll_event(), Some(Event::Credit { link }));
    assert_eq!(peer.server.credit(link), 4);
    peer.server.detach(link, None);
    peer.hear();
    peer.say(0, Performative::Flow(flow)).unwrap();
    assert_eq!(peer.hear(), [], "nor after its end");
}

#[test]
fn a_link_that_ends_before_it_is_decided_about_is_attached_first() {
    // A second one of the same name, and a message that did not wait.
    let wrongs = [
        (attach("link", 4, Role::Sender), condition::STOLEN),
        (Performative::Transfer(transfer(3, 1)), condition::TRANSFER_LIMIT_EXCEEDED),
        // The peer itself thought better of it.
        (Performative::Detach(Detach { handle: 3, is_closed: true, fault: None }), ""),
    ];
    for (wrong, expected) in wrongs {
        let mut peer = Peer::open(options());
        peer.say(0, begin()).unwrap();
        peer.say(0, attach("link", 3, Role::Sender)).unwrap();
        let (link, asked) = peer.asked();
        peer.server.out.clear();
        peer.say(0, wrong).unwrap();
        assert!(
            peer.events
                .iter()
                .any(|event| matches!(event, Event::Detached { link: known, .. } if *known == link))
        );
        let heard = peer.hear();
        let [(0, Performative::Attach(attach)), (0, Performative::Detach(detach))] = &heard[..] else {
            panic!("{heard:?}")
        };
        assert_eq!((&*attach.name, attach.role, attach.handle), ("link", Role::Receiver, detach.handle));
        assert!(attach.source.is_some() && attach.target.is_some());
        assert_eq!(condition_of(detach.fault.as_ref()), expected);
        // Whoever decides about it now comes too late.
        peer.server.accept(link, Reply::to(&asked, 1, 1));
        assert_eq!(peer.hear(), []);
    }
}

#[test]
fn links_beyond_the_bound_are_refused_and_who_leaves_them_half_open_loses_the_session() {
    let mut peer = Peer::open(Options { links_max: 3, ..options() });
    peer.say(0, begin()).unwrap();
    peer.say(1, begin()).unwrap();
    peer.say(1, attach("elsewhere", 0, Role::Sender)).unwrap();
    peer.hear();
    for handle in 0..5 {
        peer.say(0, attach(&format!("link{handle}"), handle, Role::Sender)).unwrap();
        let heard = peer.hear();
        if handle < 2 {
            assert_eq!(heard, []);
        } else {
            assert_eq!(ended(&heard), ("detach", condition::RESOURCE_LIMIT_EXCEEDED), "{handle}");
        }
    }
    // An answer to the refusal makes room again.
    peer.say(0, Performative::Detach(Detach { handle: 4, is_closed: true, fault: None })).unwrap();
    peer.say(0, attach("again", 4, Role::Sender)).unwrap();
    assert_eq!(ended(&peer.hear()), ("detach", condition::RESOURCE_LIMIT_EXCEEDED));
    peer.say(0, attach("one more", 9, Role::Sender)).unwrap();
    assert_eq!(ended(&peer.hear()), ("end", condition::RESOURCE_LIMIT_EXCEEDED));
    assert_eq!(peer.server.links, 1, "the other session has its link");
}

#[test]
fn a_second_link_of_the_same_name_takes_the_place_of_the_first() {
    let (mut peer, link) = Peer::sender(options(), 10);
    peer.say(0, attach("link", 8, Role::Sender)).unwrap();
    assert_eq!(ended(&peer.hear()), ("detach", condition::STOLEN));
    let (other, asked) = match &mut peer.events[..] {
        [Event::Detached { link: gone, .. }, Event::Attach { link: other, attach }] if *gone == link => {
            (*other, attach.clone())
        }
        events => panic!("{events:?}"),
    };
    peer.server.accept(other, Reply::to(&asked, 10, 1000));
    // What was on its way on the first is dropped, what comes on the second is not.
    peer.events.clear();
    peer.say(0, Performative::Transfer(transfer(7, 1))).unwrap();
    peer.say(0, Performative::Transfer(transfer(8, 2))).unwrap();
    assert!(matches!(&peer.events[..], [Event::Delivery { link, .. }] if *link == other));
    // The same name in the other direction, or in another session, is another link.
    peer.say(0, attach("link", 9, Role::Receiver)).unwrap();
    peer.say(1, begin()).unwrap();
    peer.say(1, attach("link", 0, Role::Sender)).unwrap();
    assert!(peer.events.iter().all(|event| !matches!(event, Event::Detached { .. })));
}

#[test]
fn what_comes_after_the_end_of_a_session_or_the_close_is_dropped() {
    let (mut peer, link) = Peer::sender(options(), 10);
    peer.server.end(link.session(), None);
    peer.hear();
    peer.say(0, Performative::Transfer(transfer(7, 1))).unwrap();
    peer.say(0, attach("late", 8, Role::Sender)).unwrap();
    peer.say(0, Performative::Detach(Detach { handle: 7, ..Detach::default() })).unwrap();
    peer.say(0, Performative::End(End::default())).unwrap();
    assert_eq!(peer.hear(), []);
    peer.say(0, begin()).unwrap();
    assert!(matches!(&peer.hear()[..], [(0, Performative::Begin(_))]), "the channel is free again");
    peer.say(0, Performative::Close(Close::default())).unwrap();
    assert_eq!(ended(&peer.hear()), ("close", ""));
    peer.say(0, Performative::Transfer(transfer(7, 1))).unwrap();
    peer.say(0, begin()).unwrap();
    assert_eq!(peer.hear(), []);
}

#[test]
fn why_a_session_ended_is_told_for_each_of_its_links() {
    let (mut peer, link) = Peer::sender(options(), 10);
    let fault = Fault::new(condition::INTERNAL_ERROR, "sorry");
    peer.say(0, Performative::End(End { fault: Some(fault.clone()) })).unwrap();
    assert_eq!(peer.events, [Event::Detached { link, fault: Some(fault) }]);
}

#[test]
fn flows_with_absurd_numbers_give_no_more_than_they_say() {
    let mut peer = Peer::open(options());
    peer.say(0, begin()).unwrap();
    peer.say(0, attach("link", 0, Role::Receiver)).unwrap();
    let (link, asked) = peer.asked();
    peer.server.accept(link, Reply::to(&asked, 0, 1000));
    let table = [
        // seen of us, window, delivery count, credit; then credit and whether something may go
        ((1, 100, 0, u32::MAX), 0, false),
        ((1, 100, u32::MAX, 5), 4, true),
        ((1, 0, 0, 5), 5, false),
        ((1, u32::MAX, 0, 5), 5, true),
        ((0, 1, 0, 5), 5, false),
        ((u32::MAX, 1, 0, 5), 5, false),
        ((1, 100, 7, u32::MAX / 2 - 7), u32::MAX / 2, true),
    ];
    for ((seen, window, count, credit), expected, is_ready) in table {
        let flow = Flow {
            next_incoming: Some(seen),
            incoming_window: window,
            next_outgoing: u32::MAX,
            outgoing_window: u32::MAX,
            handle: Some(0),
            delivery_count: Some(count),
            credit: Some(credit),
            available: Some(u32::MAX),
            ..Flow::default()
        };
        peer.say(0, Performative::Flow(flow)).unwrap();
        let known = (peer.server.credit(link), peer.server.is_ready(link));
        assert_eq!(known, (expected, is_ready), "{seen} {window} {count} {credit}");
    }
    let absurd = Disposition { role: Role::Receiver, first: 7, last: Some(3), ..Disposition::default() };
    peer.say(0, Performative::Disposition(absurd)).unwrap();
    assert!(peer.server.is_open());
}

#[test]
fn a_drain_is_answered_when_there_is_nothing_more() {
    let mut peer = Peer::open(options());
    peer.say(0, begin()).unwrap();
    peer.say(0, attach("link", 0, Role::Receiver)).unwrap();
    let (link, asked) = peer.asked();
    peer.server.accept(link, Reply::to(&asked, 0, 1000));
    peer.hear();
    let flow =
        Flow { incoming_window: 10, handle: Some(0), credit: Some(6), is_drain: true, ..Flow::default() };
    peer.say(0, Performative::Flow(flow)).unwrap();
    assert!(peer.server.wants_drain(link));
    peer.server.drain(link);
    peer.server.drain(link);
    let heard = peer.hear();
    let flows = heard.iter().map(|(_, heard)| match heard {
        Performative::Flow(flow) => (flow.delivery_count, flow.credit, flow.is_drain),
        other => panic!("{other:?}"),
    });
    assert!(flows.eq([(Some(6), Some(0), true)]), "once");
}

#[test]
fn a_name_does_not_keep_what_it_was_read_with() {
    let block = Bytes::from(vec![b'n'; 4096]);
    let name = Text::new(block.slice(..5)).unwrap();
    let link = super::super::link::Link::new(1, &name, Role::Sender, super::super::link::State::Asked);
    drop(name);
    assert_eq!((&*link.name, block.is_unique()), ("nnnnn", true));
}

#[test]
fn signs_of_life_end_with_the_goodbye() {
    let mut peer = Peer::open(Options { idle_timeout: Duration::from_secs(10), ..options() });
    peer.server.timing.peer_wants(Some(2000));
    assert_eq!(peer.server.deadline(), Some(Duration::from_secs(1)));
    peer.server.close(None);
    assert_eq!(peer.server.deadline(), Some(Duration::from_secs(20)));
    assert_eq!(peer.server.handle_time(Duration::from_secs(20)), Err(Violation::Silent));
    assert_eq!(peer.server.deadline(), None);
}

#[test]
fn a_client_does_not_talk_to_who_speaks_something_else() {
    let mut client = Connection::client(options(), None);
    assert_eq!(client.handle_unit(Bytes::from_static(b"AMQP\x00\x00\x09\x01")), Err(Violation::Header));
    assert!(client.is_closed());
    let mut server = Connection::server(options());
    assert_eq!(server.handle_unit(Bytes::from_static(b"AMQP\x02\x01\x00\x00")), Err(Violation::Header));
    assert_eq!(server.out, b"AMQP\x00\x01\x00\x00", "and is told what we speak");
}

#[test]
fn a_link_is_ended_as_the_peer_ends_it() {
    for is_closed in [true, false] {
        let (mut peer, link) = Peer::sender(options(), 10);
        peer.say(0, Performative::Detach(Detach { handle: 7, is_closed, fault: None })).unwrap();
        let heard = peer.hear();
        let [(0, Performative::Detach(answer))] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!((answer.is_closed, answer.fault.as_ref()), (is_closed, None));
        assert_eq!(peer.events, [Event::Detached { link, fault: None }]);
        peer.events.clear();
        // The same name and handle are free.
        peer.say(0, attach("link", 7, Role::Sender)).unwrap();
        assert!(matches!(&peer.events[..], [Event::Attach { .. }]));
    }
}
