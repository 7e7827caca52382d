use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::packet::{Connack, Connect, ConnectCode, Filter, Suback, Text, Unsubscribe};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bytes(packets: &[Packet]) -> BytesMut {
    let mut bytes = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut bytes));
    bytes.as_slice().into()
}

fn connack(session_present: bool, code: ConnectCode) -> Packet {
    Packet::Connack(Connack { session_present, code })
}

fn ack(kind: AckKind, id: u16) -> Packet {
    Packet::Ack(Ack { kind, packet_id: PacketId::new(id).unwrap() })
}

fn message(qos: Qos, id: Option<u16>) -> Packet {
    let (topic, payload) = (Text::from("devices/d1/messages/devicebound/a=b"), Bytes::from_static(b"hello"));
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: id.and_then(PacketId::new),
        payload,
    })
}

fn filter(text: &str) -> Filter {
    Filter::new(Text::from(text)).unwrap()
}

fn asks(keep_alive_s: u16) -> Connect {
    Connect {
        keep_alive_s,
        client_id: Text::from("d1"),
        user_name: Some(Text::from("hub/d1/?api-version=2021-04-12")),
        password: Some(Bytes::from_static(b"token")),
        ..Connect::default()
    }
}

/// What the client has written, as the server reads it.
fn sent(out: &mut Vec<u8>) -> Vec<Packet> {
    let block = Bytes::from(std::mem::take(out));
    Packets::new(block, Sender::Client).map(|packet| packet.unwrap()).collect()
}

fn open(keep_alive_s: u16, window: u16) -> Client<&'static str> {
    let mut client = Client::new(ClientLimits { window, ..ClientLimits::default() });
    let mut out = Vec::new();
    client.connect(asks(keep_alive_s), seconds(0), &mut out);
    let input = &mut bytes(&[connack(false, ConnectCode::Accepted)]);
    assert_eq!(client.poll_event(input), Ok(Some(Event::Connected { session_present: false })));
    client
}

/// Hands packets over and collects what happens.
fn hand<T>(client: &mut Client<T>, packets: &[Packet]) -> Result<Vec<Event<T>>, Ended> {
    let (mut input, mut events) = (bytes(packets), Vec::new());
    client.hear();
    while let Some(event) = client.poll_event(&mut input)? {
        events.push(event);
    }
    Ok(events)
}

fn publish(client: &mut Client<&'static str>, item: &'static str, out: &mut Vec<u8>) -> Result<(), NotSent> {
    client.publish(Text::from("t"), Bytes::from(item), item, out).map_err(|unsent| unsent.reason)
}

#[test]
fn a_client_asks_once_with_all_that_it_was_given() {
    let (mut client, mut out) = (Client::<()>::new(ClientLimits::default()), Vec::new());
    assert_eq!(client.deadline(), None);
    assert_eq!(client.send(Text::from("t"), Bytes::new(), &mut out), Err(NotSent::NotOpen));
    client.connect(asks(30), seconds(7), &mut out);
    client.connect(asks(30), seconds(8), &mut out);
    assert_eq!(sent(&mut out), [Packet::Connect(Box::new(Connect { level: 4, ..asks(30) }))]);
    assert_eq!(client.handle_time(seconds(66), &mut out), Ok(()));
    assert_eq!(client.deadline(), Some(seconds(67)));
    assert_eq!(client.handle_time(seconds(67), &mut out), Err(Ended::Late));
    assert_eq!(client.poll_event(&mut BytesMut::new()), Err(Ended::Late), "it stays ended");
}

#[test]
fn every_code_of_connack_is_told() {
    use ConnectCode::*;
    for code in [Protocol, ClientId, Unavailable, Credentials, Unauthorised] {
        let mut client = Client::<()>::new(ClientLimits::default());
        client.connect(asks(0), seconds(0), &mut Vec::new());
        assert_eq!(hand(&mut client, &[connack(false, code)]), Err(Ended::Refused(code)));
        assert!(!client.is_open());
    }
    let mut client = Client::<()>::new(ClientLimits::default());
    client.connect(asks(0), seconds(0), &mut Vec::new());
    let events = hand(&mut client, &[connack(true, Accepted)]);
    assert_eq!(events, Ok(vec![Event::Connected { session_present: true }]));
}

#[test]
fn publishes_wait_in_a_bounded_window_for_their_acknowledgements() {
    let (mut client, mut out) = (open(0, 2), Vec::new());
    assert_eq!(publish(&mut client, "a", &mut out), Ok(()));
    assert_eq!(publish(&mut client, "b", &mut out), Ok(()));
    assert!(!client.has_room());
    assert_eq!(publish(&mut client, "c", &mut out), Err(NotSent::Full));
    assert_eq!(client.send(Text::from("t"), Bytes::new(), &mut out), Ok(()), "QoS 0 waits for nobody");
    assert_eq!(sent(&mut out).len(), 3);
    let acks = [ack(AckKind::Puback, 2), ack(AckKind::Puback, 1)];
    assert_eq!(hand(&mut client, &acks), Ok(vec![Event::Published("b"), Event::Published("a")]));
    assert_eq!(publish(&mut client, "c", &mut out), Ok(()));
    assert_eq!(client.take_unacknowledged().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn what_cannot_be_a_packet_is_not_sent() {
    let (mut client, mut out) = (open(0, 2), Vec::new());
    let long = Bytes::from(vec![0; ClientLimits::default().packet_bytes_max]);
    let unsent = client.publish(Text::from("t"), long, "long", &mut out).unwrap_err();
    assert!(matches!(unsent, Unsent { item: "long", reason: NotSent::TooLong { .. } }));
    for topic in ["", "a/#", "+"] {
        assert_eq!(client.send(Text::from(topic), Bytes::new(), &mut out), Err(NotSent::Topic), "{topic}");
    }
    assert_eq!(client.subscribe(Vec::new(), &mut out), Err(NotSent::NoFilter));
    assert_eq!(client.unsubscribe(Vec::new(), &mut out), Err(NotSent::NoFilter));
    assert!(out.is_empty() && client.pending_count() == 0);
}

#[test]
fn answers_find_their_subscriptions() {
    let (mut client, mut out) = (open(0, 3), Vec::new());
    publish(&mut client, "a", &mut out).unwrap();
    let filters = vec![(filter("a/#"), Qos::ExactlyOnce), (filter("b"), Qos::AtMostOnce)];
    let subscribed = client.subscribe(filters, &mut out).unwrap();
    let unsubscribed = client.unsubscribe(vec![filter("a/#")], &mut out).unwrap();
    assert_eq!(client.unsubscribe(vec![filter("b")], &mut out), Err(NotSent::Full));
    let [Packet::Publish(first), Packet::Subscribe(asked), Packet::Unsubscribe(left)] = &sent(&mut out)[..]
    else {
        panic!("three packets in order");
    };
    assert_eq!(asked.filters, [(filter("a/#"), Qos::AtLeastOnce), (filter("b"), Qos::AtMostOnce)]);
    assert_eq!(left, &Unsubscribe { packet_id: unsubscribed, filters: vec![filter("a/#")] });
    assert_eq!(first.packet_id, Some(PacketId::MIN), "one row of ids for all");
    assert_eq!((subscribed.get(), unsubscribed.get()), (2, 3));
    let codes = vec![SubackCode::Granted(Qos::AtLeastOnce), SubackCode::Refused];
    let suback = Packet::Suback(Suback { packet_id: subscribed, codes: codes.clone() });
    assert_eq!(
        hand(&mut client, &[ack(AckKind::Unsuback, 3), suback, ack(AckKind::Puback, 1)]),
        Ok(vec![
            Event::Unsubscribed { packet_id: unsubscribed },
            Event::Subscribed { packet_id: subscribed, codes },
            Event::Published("a"),
        ])
    );
}

#[test]
fn messages_are_acknowledged_when_they_are_settled() {
    let (mut client, mut out) = (open(0, 2), Vec::new());
    let packets = [
        message(Qos::AtMostOnce, None),
        message(Qos::AtLeastOnce, Some(7)),
        message(Qos::AtLeastOnce, Some(8)),
    ];
    let events = hand(&mut client, &packets).unwrap();
    let ids: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Message(publish) => publish.packet_id.map(PacketId::get),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [None, Some(7), Some(8)]);
    assert!(out.is_empty(), "they may be withheld");
    client.settle(PacketId::new(8).unwrap(), &mut out);
    assert_eq!(sent(&mut out), [ack(AckKind::Puback, 8)]);
}

#[test]
fn what_was_not_acknowledged_goes_out_again_on_the_next_connection() {
    let (mut client, mut out) = (open(0, 5), Vec::new());
    for item in ["a", "b", "c"] {
        publish(&mut client, item, &mut out).unwrap();
    }
    client.subscribe(vec![(filter("a"), Qos::AtMostOnce)], &mut out).unwrap();
    hand(&mut client, &[ack(AckKind::Puback, 2)]).unwrap();
    client.restart();
    assert!(!client.is_open());
    assert_eq!(client.pending_count(), 2, "the request is forgotten");
    out.clear();
    client.resend(|_| panic!("not before the server lets it in"), &mut out);
    client.connect(asks(0), seconds(100), &mut out);
    out.clear();
    hand(&mut client, &[connack(true, ConnectCode::Accepted)]).unwrap();
    client.resend(|item| (Text::from("t"), Bytes::from(*item)), &mut out);
    let again: Vec<_> = sent(&mut out)
        .into_iter()
        .map(|packet| match packet {
            Packet::Publish(publish) => (publish.dup, publish.packet_id.unwrap().get(), publish.payload),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(again, [(true, 1, Bytes::from("a")), (true, 3, Bytes::from("c"))]);
    assert_eq!(publish(&mut client, "d", &mut out), Ok(()));
    let acks = [ack(AckKind::Puback, 1), ack(AckKind::Puback, 3), ack(AckKind::Puback, 5)];
    assert_eq!(hand(&mut client, &acks), Ok(["a", "c", "d"].map(Event::Published).into()));
}

#[test]
fn a_wrong_answer_ends_the_connection_and_loses_nothing() {
    let suback = |id, codes: usize| {
        let codes = vec![SubackCode::Refused; codes];
        Packet::Suback(Suback { packet_id: PacketId::new(id).unwrap(), codes })
    };
    let table = [
        (connack(false, ConnectCode::Accepted), Ended::SecondConnack),
        (ack(AckKind::Puback, 9), Ended::Unasked),
        (ack(AckKind::Puback, 2), Ended::Unasked),
        (ack(AckKind::Unsuback, 1), Ended::Unasked),
        (suback(1, 1), Ended::Unasked),
        (suback(2, 2), Ended::Grants),
        (ack(AckKind::Pubrec, 1), Ended::ExactlyOnce),
        (ack(AckKind::Pubrel, 1), Ended::ExactlyOnce),
        (ack(AckKind::Pubcomp, 1), Ended::ExactlyOnce),
        (message(Qos::ExactlyOnce, Some(1)), Ended::ExactlyOnce),
        (Packet::Pingreq, Ended::Malformed(Malformed::Direction)),
        (Packet::Disconnect, Ended::Malformed(Malformed::Direction)),
    ];
    for (packet, reason) in table {
        let (mut client, mut out) = (open(0, 5), Vec::new());
        publish(&mut client, "a", &mut out).unwrap();
        client.subscribe(vec![(filter("a"), Qos::AtMostOnce)], &mut out).unwrap();
        assert_eq!(hand(&mut client, &[packet.clone(), ack(AckKind::Puback, 1)]), Err(reason), "{packet:?}");
        assert_eq!(client.take_unacknowledged().collect::<Vec<_>>(), ["a"], "{packet:?}");
    }
    let mut client = Client::<()>::new(ClientLimits::default());
    client.connect(asks(0), seconds(0), &mut Vec::new());
    assert_eq!(hand(&mut client, &[ack(AckKind::Puback, 1)]), Err(Ended::NoConnack));
}

#[test]
fn a_packet_beyond_the_limit_is_refused_by_its_length_alone() {
    let mut client = open(0, 1);
    let mut input = BytesMut::from(&[0x30, 0xff, 0xff, 0xff, 0x7f][..]);
    assert!(matches!(client.poll_event(&mut input), Err(Ended::Malformed(Malformed::TooLong { .. }))));
}

#[test]
fn a_client_pings_and_gives_up_a_silent_server() {
    let (mut client, mut out) = (open(60, 1), Vec::new());
    assert_eq!(client.deadline(), Some(seconds(30)));
    assert_eq!(client.handle_time(seconds(30), &mut out), Ok(()));
    assert!(out.is_empty());
    assert_eq!(client.handle_time(seconds(60), &mut out), Ok(()));
    assert_eq!(sent(&mut out), [Packet::Pingreq]);
    assert_eq!(hand(&mut client, &[Packet::Pingresp]), Ok(Vec::new()));
    assert_eq!(client.handle_time(seconds(90), &mut out), Ok(()));
    assert_eq!(client.handle_time(seconds(120), &mut out), Ok(()));
    assert_eq!(sent(&mut out), [Packet::Pingreq]);
    assert_eq!(client.handle_time(seconds(150), &mut out), Err(Ended::Silent));
}

#[test]
fn a_client_says_goodbye() {
    let (mut client, mut out) = (open(60, 1), Vec::new());
    client.disconnect(&mut out);
    client.disconnect(&mut out);
    assert_eq!(sent(&mut out), [Packet::Disconnect]);
    assert_eq!(client.poll_event(&mut BytesMut::new()), Err(Ended::Disconnected));
    assert_eq!(publish(&mut client, "a", &mut out), Err(NotSent::NotOpen));
}

/// What a server says in a conversation that holds a bit of everything.
fn conversation() -> Vec<u8> {
    let codes = vec![SubackCode::Granted(Qos::AtLeastOnce)];
    bytes(&[
        connack(true, ConnectCode::Accepted),
        Packet::Suback(Suback { packet_id: PacketId::MIN, codes }),
        message(Qos::AtLeastOnce, Some(3)),
        ack(AckKind::Puback, 2),
        Packet::Pingresp,
        message(Qos::AtMostOnce, None),
        ack(AckKind::Unsuback, 4),
        ack(AckKind::Puback, 3),
    ])
    .to_vec()
}

/// Runs bytes through a client that asks for all that the conversation answers: what happened, how
/// it ended, and what was sent.
fn run(bytes: &[u8], cuts: &[usize]) -> (Vec<String>, Option<Ended>, Vec<u8>) {
    let mut client =
        Client::<u64>::new(ClientLimits { packet_bytes_max: 1 << 16, ..ClientLimits::default() });
    let (mut out, mut input, mut events) = (Vec::new(), BytesMut::new(), Vec::new());
    client.connect(asks(30), seconds(0), &mut out);
    let mut at = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let end = cut.clamp(at, bytes.len());
        input.extend_from_slice(&bytes[at..end]);
        at = end;
        client.hear();
        loop {
            let event = match client.poll_event(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(reason) => return (events, Some(reason), out),
            };
            events.push(format!("{event:?}"));
            match event {
                Event::Connected { .. } => {
                    client.subscribe(vec![(filter("a/#"), Qos::AtLeastOnce)], &mut out).unwrap();
                    for item in [1, 2] {
                        client.publish(Text::from("t"), Bytes::new(), item, &mut out).unwrap();
                    }
                    client.unsubscribe(vec![filter("a/#")], &mut out).unwrap();
                }
                Event::Message(publish) => {
                    publish.packet_id.into_iter().for_each(|id| client.settle(id, &mut out));
                }
                _ => {}
            }
        }
        client.handle_time(seconds(at as u64 / 10), &mut out).unwrap();
        out.truncate(1 << 16);
    }
    (events, None, out)
}

proptest! {
    #[test]
    fn however_the_bytes_arrive_the_same_happens(mut cuts in prop::collection::vec(0usize..200, 0..12)) {
        cuts.sort_unstable();
        let (events, ended, _) = run(&conversation(), &cuts);
        prop_assert_eq!(&events, &run(&conversation(), &[]).0);
        prop_assert_eq!((events.len(), ended), (7, None));
    }

    #[test]
    fn no_bytes_of_a_server_bring_the_machine_down(
        changes in prop::collection::vec((0usize..200, any::<u8>()), 1..8),
        cut in 0usize..200,
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = conversation();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(1));
        bytes.extend(tail);
        let (events, ended, _) = run(&bytes, &[cut / 2]);
        let (at_once, ended_at_once, _) = run(&bytes, &[]);
        // Lengths are judged first: a bad one takes along the packets that came in the same read.
        prop_assert!(events.starts_with(&at_once), "{:?} {:?}", events, at_once);
        prop_assert_eq!(ended.is_some(), ended_at_once.is_some(), "whichever of two faults is found first");
    }
}
