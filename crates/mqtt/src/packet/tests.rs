//! Every packet comes back; what the standard refuses is refused; nonsense costs nothing.

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8], sender: Sender) -> Result<Vec<Packet>, Malformed> {
    let found = whole(bytes, 1 << 20)?;
    if found.bytes != bytes.len() {
        return Err(Malformed::Short);
    }
    Packets::new(Bytes::copy_from_slice(bytes), sender).collect()
}

fn text() -> impl Strategy<Value = Text> {
    "[a-zA-Z0-9/$ .:=%&é世-]{0,40}".prop_map(|text| Text::from(text.as_str()))
}

fn topic() -> impl Strategy<Value = Text> {
    "[a-zA-Z0-9/$ .:=%&é世-]{1,40}".prop_map(|text| Text::from(text.as_str()))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![Just(Qos::AtMostOnce), Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)]
}

fn id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof!["a(/[b+]){0,3}(/#)?", "[#+]", "\\$iothub/twin/res/#"]
        .prop_map(|text| Filter::new(Text::from(text.as_str())).unwrap())
}

fn client_packet() -> impl Strategy<Value = Packet> {
    let will = (topic(), bytes(), qos(), any::<bool>()).prop_map(|(topic, payload, qos, retain)| Will {
        topic,
        payload,
        qos,
        retain,
    });
    let user = prop::option::of((text(), prop::option::of(bytes())));
    let connect = (any::<bool>(), any::<u16>(), text(), prop::option::of(will), user).prop_map(
        |(clean_session, keep_alive_s, client_id, will, user)| {
            let (user_name, password) = user.map_or((None, None), |(name, password)| (Some(name), password));
            Packet::Connect(Box::new(Connect {
                level: 4,
                clean_session,
                keep_alive_s,
                client_id,
                will,
                user_name,
                password,
            }))
        },
    );
    prop_oneof![
        connect,
        publish(),
        (id(), prop::collection::vec((filter(), qos()), 1..5))
            .prop_map(|(packet_id, filters)| Packet::Subscribe(Subscribe { packet_id, filters })),
        (id(), prop::collection::vec(filter(), 1..5))
            .prop_map(|(packet_id, filters)| Packet::Unsubscribe(Unsubscribe { packet_id, filters })),
        id().prop_map(|id| Packet::Ack(Ack::puback(id))),
        Just(Packet::Pingreq),
        Just(Packet::Disconnect),
    ]
}

fn publish() -> impl Strategy<Value = Packet> {
    (any::<bool>(), qos(), any::<bool>(), topic(), id(), bytes()).prop_map(
        |(dup, qos, retain, topic, id, payload)| {
            let packet_id = (qos != Qos::AtMostOnce).then_some(id);
            Packet::Publish(Publish {
                dup: dup && packet_id.is_some(),
                qos,
                retain,
                topic,
                packet_id,
                payload,
            })
        },
    )
}

fn server_packet() -> impl Strategy<Value = Packet> {
    let code = prop_oneof![qos().prop_map(SubackCode::Granted), Just(SubackCode::Refused)];
    prop_oneof![
        any::<bool>().prop_map(|session_present| {
            Packet::Connack(Connack { session_present, code: ConnectCode::Accepted })
        }),
        Just(Packet::Connack(Connack::refused(ConnectCode::Unauthorised))),
        publish(),
        (id(), prop::collection::vec(code, 1..5))
            .prop_map(|(packet_id, codes)| Packet::Suback(Suback { packet_id, codes })),
        id().prop_map(|packet_id| Packet::Ack(Ack { kind: AckKind::Unsuback, packet_id })),
        Just(Packet::Pingresp),
    ]
}

proptest! {
    #[test]
    fn packets_come_back(
        clients in prop::collection::vec(client_packet(), 1..5),
        servers in prop::collection::vec(server_packet(), 1..5),
    ) {
        for (packets, sender) in [(clients, Sender::Client), (servers, Sender::Server)] {
            let mut wire = Vec::new();
            packets.iter().for_each(|packet| packet.encode(&mut wire));
            prop_assert_eq!(read(&wire, sender), Ok(packets.clone()));
            // However the bytes are cut, what is whole is found.
            for cut in (0..wire.len()).step_by(7) {
                let found = whole(&wire[..cut], 1 << 20).unwrap();
                prop_assert!(found.bytes <= cut && found.next.is_none_or(|next| found.bytes + next > cut));
                let begun: Vec<_> = Packets::new(Bytes::copy_from_slice(&wire[..found.bytes]), sender).collect::<Result<_, _>>().unwrap();
                prop_assert!(packets.starts_with(&begun));
            }
        }
    }

    #[test]
    fn what_is_read_is_written_the_same(packet in client_packet(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut wire = Vec::new();
        packet.encode(&mut wire);
        let at = at.index(wire.len());
        wire[at] = byte;
        if let Ok(packets) = read(&wire, Sender::Client)
            && !packets.iter().any(|packet| matches!(packet, Packet::Connect(connect) if connect.level != 4))
        {
            let mut again = Vec::new();
            packets.iter().for_each(|packet| packet.encode(&mut again));
            // A length may be written longer than it has to be.
            if again.len() == wire.len() {
                prop_assert_eq!(again, wire);
            }
        }
    }

    #[test]
    fn nonsense_is_no_packet_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for sender in [Sender::Client, Sender::Server] {
            if let Ok(found) = whole(&bytes, 1 << 20) {
                let packets: Vec<_> = Packets::new(Bytes::copy_from_slice(&bytes[..found.bytes]), sender).collect();
                prop_assert!(packets.iter().rev().skip(1).all(Result::is_ok));
            }
        }
    }
}

/// What a server must refuse, with the reason.
#[test]
fn a_server_refuses_what_the_standard_refuses() {
    use Malformed::*;
    let table: &[(&[u8], Malformed)] = &[
        (&[0x00, 0], Kind),
        (&[0xf0, 0], Kind),
        (&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], Length),
        (&[0x11, 2, 0, 0], Flags),
        (&[0x10, 6, 0, 4, b'M', b'Q', b'T', b'T'], Short),
        (&[0x10, 7, 0, 4, b'H', b'T', b'T', b'P', 4], Protocol),
        // CONNECT: the reserved flag, a will without its flag, a password without a name, QoS 3.
        (&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x03, 0, 0, 0, 0], Reserved),
        (&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x22, 0, 0, 0, 0], Will),
        (&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x0a, 0, 0, 0, 0], Will),
        (&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x42, 0, 0, 0, 0], Password),
        (&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x1e, 0, 0, 0, 0], Qos),
        (&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x02, 0, 0, 0, 0, 9], TrailingBytes),
        (&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x02, 0, 0, 0, 1, 0], Text),
        (&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x02, 0, 0, 0, 1, 0xff], Text),
        (&[0x10, 17, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x06, 0, 0, 0, 0, 0, 1, b'#', 0, 0], Topic),
        // PUBLISH: QoS 3, repeated with QoS 0, number 0, no topic, wildcards, texts.
        (&[0x36, 5, 0, 1, b'a', 0, 1], Qos),
        (&[0x38, 3, 0, 1, b'a'], Dup),
        (&[0x32, 5, 0, 1, b'a', 0, 0], PacketId),
        (&[0x32, 3, 0, 1, b'a'], Short),
        (&[0x30, 2, 0, 0], Topic),
        (&[0x30, 3, 0, 1, b'#'], Topic),
        (&[0x30, 3, 0, 1, b'+'], Topic),
        (&[0x30, 3, 0, 1, 0], Text),
        (&[0x30, 3, 0, 1, 0x1f], Text),
        (&[0x30, 5, 0, 3, 0xed, 0xa0, 0x80], Text),
        (&[0x30, 5, 0, 3, 0xef, 0xbf, 0xbf], Text),
        (&[0x30, 4, 0, 2, 0xc2, 0x80], Text),
        (&[0x30, 3, 0, 9, b'a'], Short),
        // SUBSCRIBE and UNSUBSCRIBE: flags, number 0, no filter, bad filters, reserved bits.
        (&[0x80, 6, 0, 1, 0, 1, b'a', 0], Flags),
        (&[0x82, 6, 0, 0, 0, 1, b'a', 0], PacketId),
        (&[0x82, 2, 0, 1], NoFilter),
        (&[0x82, 6, 0, 1, 0, 1, b'a', 3], Qos),
        (&[0x82, 6, 0, 1, 0, 1, b'a', 0x80], Qos),
        (&[0x82, 5, 0, 1, 0, 1, b'a'], Short),
        (&[0x82, 5, 0, 1, 0, 0, 0], Filter),
        (&[0x82, 7, 0, 1, 0, 2, b'a', b'#', 0], Filter),
        (&[0x82, 7, 0, 1, 0, 2, b'a', b'+', 0], Filter),
        (&[0x82, 8, 0, 1, 0, 3, b'#', b'/', b'a', 0], Filter),
        (&[0xa0, 5, 0, 1, 0, 1, b'a'], Flags),
        (&[0xa2, 2, 0, 1], NoFilter),
        // Numbers alone.
        (&[0x40, 2, 0, 0], PacketId),
        (&[0x40, 1, 0], Short),
        (&[0x40, 3, 0, 1, 0], TrailingBytes),
        (&[0x41, 2, 0, 1], Flags),
        (&[0x60, 2, 0, 1], Flags),
        (&[0xc0, 1, 0], TrailingBytes),
        (&[0xc1, 0], Flags),
        (&[0xe0, 1, 0], TrailingBytes),
        (&[0xe8, 0], Flags),
        // From the wrong side.
        (&[0x20, 2, 0, 0], Direction),
        (&[0x90, 3, 0, 1, 0], Direction),
        (&[0xb0, 2, 0, 1], Direction),
        (&[0xd0, 0], Direction),
    ];
    for (wire, reason) in table {
        assert_eq!(read(wire, Sender::Client), Err(*reason), "{wire:02x?}");
    }
    for (wire, reason) in [(&[0xc0, 0][..], Direction), (&[0x20, 2, 1, 5], Code), (&[0x20, 2, 0, 6], Code)] {
        assert_eq!(read(wire, Sender::Server), Err(reason), "{wire:02x?}");
    }
}

#[test]
fn a_length_is_judged_before_its_bytes_are_there() {
    let head = [0x30, 0xff, 0xff, 0xff, 0x7f];
    let too_long = whole(&head, 300_000);
    assert_eq!(too_long, Err(Malformed::TooLong { bytes: 268_435_460, bytes_max: 300_000 }));
    assert_eq!(whole(&[0x30, 0x05, 0, 1], 100), Ok(Whole { bytes: 0, next: Some(7) }));
    assert_eq!(whole(&[0x30], 100), Ok(Whole::default()));
}

#[test]
fn a_length_that_is_refused_takes_nothing_before_it_along() {
    for wrong in [&[0x30, 0xff, 0xff, 0xff, 0x7f][..], &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01], &[0x30, 99]] {
        let wire = [&[0xc0, 0, 0xc0, 0][..], wrong].concat();
        assert_eq!(whole(&wire, 100), Ok(Whole { bytes: 4, next: None }));
        assert!(whole(&wire[4..], 100).is_err());
    }
}

#[test]
fn an_older_or_newer_protocol_is_told_apart() {
    let wire = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x02, 0, 0, 0, 0];
    let packets = read(&wire, Sender::Client).unwrap();
    assert!(matches!(&packets[..], [Packet::Connect(connect)] if connect.level == 5));
    let old = [0x10, 14, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 0x02, 0, 0, 0, 0];
    let packets = read(&old, Sender::Client).unwrap();
    assert!(matches!(&packets[..], [Packet::Connect(connect)] if connect.level == 3));
}

#[test]
fn filters_match_as_the_standard_says() {
    let table = [
        ("a/b", "a/b", true),
        ("a/+", "a/b", true),
        ("a/+", "a", false),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("+", "a/b", false),
        ("+/b", "/b", true),
        ("#", "$iothub/x", false),
        ("+/x", "$iothub/x", false),
        ("$iothub/#", "$iothub/x", true),
        ("a/b", "a/b/", false),
    ];
    for (filter, topic, expected) in table {
        let filter = Filter::new(Text::from(filter)).unwrap();
        assert_eq!(filter.matches(topic), expected, "{filter:?} {topic}");
    }
}
