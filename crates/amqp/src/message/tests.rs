use bytes::Bytes;
use skerry_model::message::{Ack, Message, SystemProperties};

use super::{Body, MessageError, Sections, Writer, from_wire, to_wire};
use crate::codec::{CodecLimits, DecodeError, Value, code, put_value};
use crate::performative::{descriptor, put_descriptor};

fn decode(bytes: Vec<u8>) -> Result<Sections, MessageError> {
    Sections::decode(bytes.into(), CodecLimits::default())
}

fn sequence(out: &mut Vec<u8>, items: Vec<Value>) {
    put_descriptor(out, descriptor::SEQUENCE);
    put_value(out, &Value::List(items));
}

#[test]
fn bodies_of_all_kinds_are_read_whole() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).data(b"one");
    assert_eq!(decode(bytes.clone()).unwrap().body, Body::Data(Bytes::from_static(b"one")));
    Writer::new(&mut bytes).data(b"two");
    assert_eq!(decode(bytes.clone()).unwrap().body_bytes().unwrap(), "onetwo");
    sequence(&mut bytes, vec![]);
    assert_eq!(decode(bytes), Err(MessageError::Order));

    let mut bytes = Vec::new();
    sequence(&mut bytes, vec![Value::Uint(0)]);
    let first = bytes[3..].to_vec();
    assert_eq!(decode(bytes.clone()).unwrap().body, Body::Sequence(first.clone().into()));
    sequence(&mut bytes, vec![]);
    let both = [&first[..], &[code::LIST_0]].concat();
    assert_eq!(decode(bytes.clone()).unwrap().body, Body::Sequence(both.into()));
    Writer::new(&mut bytes).value(&Value::Null);
    assert_eq!(decode(bytes), Err(MessageError::Order));

    for (value, expected) in [
        (Value::string("text"), "text"),
        (Value::Binary(Bytes::from_static(b"bytes")), "bytes"),
        (Value::Null, ""),
    ] {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).value(&value);
        assert_eq!(decode(bytes).unwrap().body_bytes().unwrap(), expected);
    }
}

#[test]
fn sections_have_their_order_and_come_once() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).application().string_text("a", "b");
    let one = bytes.clone();
    Writer::new(&mut bytes).annotations().symbol_text("a", "b");
    assert_eq!(decode(bytes), Err(MessageError::Order));
    assert_eq!(decode([one.clone(), one].concat()), Err(MessageError::Order));
}

#[test]
fn a_message_of_a_hundred_thousand_sections_costs_no_more_than_a_few() {
    for piece in [&[0, 0x53, 0x75, 0xa0, 0][..], &[0, 0x53, 0x76, 0x45]] {
        let items_max = CodecLimits::default().items_max;
        let some = piece.repeat(items_max as usize);
        assert!(decode(some).is_ok());
        let many = piece.repeat(items_max as usize + 1);
        assert_eq!(decode(many), Err(DecodeError::Items { items_max }.into()));
    }
}

#[test]
fn messages_of_devices_come_back_with_all_that_they_say() {
    let text = |text: &str| Some(text.to_owned());
    let full = SystemProperties {
        message_id: text("m"),
        correlation_id: text("c"),
        user_id: text("u"),
        to: text("/devices/d/messages/events"),
        content_type: text("application/json"),
        content_encoding: text("utf-8"),
        expiry: Some("2026-01-02T03:04:05.123Z".parse().unwrap()),
        creation_time: Some("2026-01-02T03:04:05.1234567Z".parse().unwrap()),
        ack: Some(Ack::Full),
        schema: text("s"),
        interface_id: text("urn:azureiot:Security:SecurityAgent:1"),
        component: text("thermostat"),
        output: text("alerts"),
        input: None,
    };
    let application = vec![("a".to_owned(), "b".to_owned()), ("\u{fc}".to_owned(), String::new())];
    let named = SystemProperties { output: text("o"), ..SystemProperties::default() };
    for (system, application, body) in [
        (full, application.clone(), &b"21"[..]),
        (named, Vec::new(), b""),
        (SystemProperties::default(), application, &[0xff; 300]),
        (SystemProperties::default(), Vec::new(), b"x"),
    ] {
        let message =
            Message { body: Bytes::copy_from_slice(body), system: system.clone().into(), application };
        assert_eq!(from_wire(decode(to_wire(&message)).unwrap()).unwrap(), message);
    }
}
