use proptest::prelude::*;

use super::*;
use crate::packet::{Filter, Packets, Sender, whole};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn connect(keep_alive_s: u16) -> Packet {
    let client_id = Text::from("d1");
    Packet::Connect(Box::new(Connect { level: 4, keep_alive_s, client_id, ..Connect::default() }))
}

fn publish(qos: Qos) -> Packet {
    let packet_id = (qos != Qos::AtMostOnce).then_some(PacketId::MIN);
    let topic = Text::from("devices/d1/messages/events/");
    Packet::Publish(Publish { dup: false, qos, retain: false, topic, packet_id, payload: Bytes::new() })
}

fn open(keep_alive_s: u16) -> Server<&'static str> {
    let mut server = Server::new(ServerLimits { window: 2, ..ServerLimits::default() });
    let mut out = Vec::new();
    assert!(matches!(server.handle_packet(connect(keep_alive_s), &mut out), Ok(Some(Event::Connect(_)))));
    server.accept(true, &mut out);
    assert_eq!(out, [0x20, 2, 1, 0]);
    server
}

#[test]
fn nothing_goes_before_connect_and_connect_comes_once() {
    let (mut server, mut out) = (Server::<()>::new(ServerLimits::default()), Vec::new());
    assert_eq!(server.handle_packet(Packet::Pingreq, &mut out), Err(Violation::NoConnect));
    server.handle_packet(connect(0), &mut out).unwrap();
    assert_eq!(server.handle_packet(publish(Qos::AtMostOnce), &mut out), Err(Violation::Early));
    assert!(out.is_empty(), "nobody was let in");
    server.refuse(ConnectCode::Unauthorised, &mut out);
    assert_eq!(out, [0x20, 2, 0, 5]);
    let mut server = open(0);
    assert_eq!(server.handle_packet(connect(0), &mut Vec::new()), Err(Violation::SecondConnect));
}

#[test]
fn a_connection_serves_its_client() {
    let (mut server, mut out) = (open(10), Vec::new());
    assert_eq!(server.handle_packet(Packet::Pingreq, &mut out), Ok(None));
    assert_eq!(std::mem::take(&mut out), [0xd0, 0]);
    assert!(matches!(server.handle_packet(publish(Qos::AtLeastOnce), &mut out), Ok(Some(Event::Publish(_)))));
    assert!(out.is_empty(), "acknowledged when the caller says so");
    server.puback(PacketId::MIN, &mut out);
    assert_eq!(std::mem::take(&mut out), [0x40, 2, 0, 1]);
    assert_eq!(server.handle_packet(publish(Qos::ExactlyOnce), &mut out), Err(Violation::ExactlyOnce));
    let filters = vec![(Filter::new(Text::from("a/#")).unwrap(), Qos::ExactlyOnce)];
    let subscribe = Packet::Subscribe(Subscribe { packet_id: PacketId::MIN, filters });
    assert!(matches!(server.handle_packet(subscribe, &mut out), Ok(Some(Event::Subscribe(_)))));
    server.suback(PacketId::MIN, vec![SubackCode::Granted(Qos::AtLeastOnce)], &mut out);
    assert_eq!(std::mem::take(&mut out), [0x90, 3, 0, 1, 1]);
    assert_eq!(server.handle_packet(Packet::Disconnect, &mut out), Ok(Some(Event::Disconnect)));
}

#[test]
fn deliveries_wait_for_their_acknowledgements() {
    let (mut server, mut out) = (open(0), Vec::new());
    let deliver = |server: &mut Server<_>, item, again| {
        server.deliver(Text::from("t"), Bytes::from_static(b"x"), again, item, &mut Vec::new())
    };
    assert_eq!(deliver(&mut server, "first", false), Ok(()));
    assert_eq!(deliver(&mut server, "second", true), Ok(()));
    assert!(!server.has_room());
    assert_eq!(deliver(&mut server, "third", false), Err("third"));
    let second = Packet::Ack(Ack::puback(PacketId::new(2).unwrap()));
    assert_eq!(server.handle_packet(second.clone(), &mut out), Ok(Some(Event::Delivered("second"))));
    assert_eq!(server.handle_packet(second, &mut out), Ok(None), "twice");
    assert_eq!(deliver(&mut server, "third", false), Ok(()));
    assert_eq!(server.undelivered().collect::<Vec<_>>(), ["first", "third"]);
}

#[test]
fn silence_ends_a_connection() {
    let server = Server::<()>::new(ServerLimits::default());
    assert!(!server.is_late(seconds(29)) && server.is_late(seconds(30)), "no CONNECT");
    let mut server = open(10);
    server.hear(seconds(100));
    assert!(!server.is_late(seconds(114)) && server.is_late(seconds(115)));
    server.hear(seconds(115));
    assert!(!server.is_late(seconds(129)));
    for keep_alive_s in [0, 1200, u16::MAX] {
        let server = open(keep_alive_s);
        assert_eq!(server.deadline(), Some(seconds(1767)), "{keep_alive_s}");
    }
}

/// Runs bytes through a machine whose caller lets everybody in; how many events came.
fn run(bytes: &[u8], cuts: &[usize]) -> (usize, bool, Vec<u8>) {
    let mut server = Server::<u64>::new(ServerLimits { window: 3, ..ServerLimits::default() });
    let (mut out, mut pending, mut events) = (Vec::new(), Vec::new(), 0);
    let mut at = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let end = cut.clamp(at, bytes.len());
        pending.extend_from_slice(&bytes[at..end]);
        at = end;
        let Ok(found) = whole(&pending, 1 << 16) else { return (events, false, out) };
        let rest = pending.split_off(found.bytes);
        let block = Bytes::from(std::mem::replace(&mut pending, rest));
        for packet in Packets::new(block, Sender::Client) {
            let Ok(packet) = packet else { return (events, false, out) };
            match server.handle_packet(packet, &mut out) {
                Ok(Some(Event::Connect(_))) => {
                    server.accept(false, &mut out);
                    for item in 0..4 {
                        server.deliver(Text::from("t"), Bytes::new(), false, item, &mut out).ok();
                    }
                }
                Ok(Some(Event::Disconnect)) => return (events, true, out),
                Ok(Some(_)) => events += 1,
                Ok(None) => {}
                Err(_) => return (events, false, out),
            }
        }
    }
    (events, true, out)
}

/// A conversation that holds a bit of everything.
fn conversation() -> Vec<u8> {
    let filters = vec![(Filter::new(Text::from("$iothub/methods/POST/#")).unwrap(), Qos::AtMostOnce)];
    let packets = [
        connect(30),
        Packet::Subscribe(Subscribe { packet_id: PacketId::MIN, filters }),
        publish(Qos::AtLeastOnce),
        publish(Qos::AtMostOnce),
        Packet::Pingreq,
        Packet::Ack(Ack::puback(PacketId::MIN)),
        publish(Qos::AtLeastOnce),
        Packet::Disconnect,
    ];
    let mut bytes = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut bytes));
    bytes
}

proptest! {
    #[test]
    fn however_the_bytes_arrive_the_same_happens(mut cuts in prop::collection::vec(0usize..200, 0..12)) {
        cuts.sort_unstable();
        prop_assert_eq!(run(&conversation(), &cuts), run(&conversation(), &[]));
        prop_assert_eq!(run(&conversation(), &[]).0, 5);
    }

    #[test]
    fn no_bytes_bring_the_machine_down(
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
        run(&bytes, &[cut / 2]);
    }
}
