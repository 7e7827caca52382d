//! What is written is read the same, at its full width.

use bytes::Bytes;
use proptest::prelude::*;
use skerry_amqp::codec::{CodecLimits, Input, Text, Value, code, put_value, skip_value};
use skerry_amqp::frame::{Frame, Kind, length, put_frame};
use skerry_amqp::message::{Body, Sections, Writer};
use skerry_amqp::performative::{Performative, SaslFrame, descriptor};

use crate::arbitrary::{annotations, binary, header, performative, properties, sasl, value};

fn input(bytes: &[u8]) -> Input {
    Input::new(Bytes::copy_from_slice(bytes), CodecLimits::default())
}

fn encoded(performative: &Performative) -> Vec<u8> {
    let mut bytes = Vec::new();
    performative.encode(&mut bytes);
    bytes
}

/// The fields that its list says it has, behind its descriptor in the short form.
fn width(bytes: &[u8]) -> (u64, u32) {
    let [code::DESCRIBED, code::ULONG_8, number, code::LIST_32, _, _, _, _, count @ ..] = &bytes[..12] else {
        panic!("{bytes:02x?}")
    };
    (u64::from(*number), u32::from_be_bytes(count.try_into().unwrap()))
}

proptest! {
    #[test]
    fn a_value_keeps_its_type(value in value()) {
        let mut bytes = Vec::new();
        put_value(&mut bytes, &value);
        let mut reader = input(&bytes);
        prop_assert_eq!(reader.value().unwrap(), value);
        prop_assert!(reader.is_empty());
        let mut skipper = input(&bytes);
        skip_value(&mut skipper).unwrap();
        prop_assert!(skipper.is_empty());
        // Cut off, it is an error and nothing else.
        for end in 0..bytes.len() {
            prop_assert!(input(&bytes[..end]).value().is_err());
            prop_assert!(skip_value(&mut input(&bytes[..end])).is_err());
        }
    }

    #[test]
    fn a_performative_is_read_as_it_was_written(said in performative(), payload in binary()) {
        let mut frame = Vec::new();
        put_frame(&mut frame, Kind::Amqp, 513, |out| {
            said.encode(out);
            out.extend_from_slice(&payload);
        });
        prop_assert_eq!(length(&frame, usize::MAX).unwrap(), Some(frame.len()));
        let frame = Frame::parse(frame.into()).unwrap();
        prop_assert_eq!((frame.kind, frame.channel), (Kind::Amqp, 513));
        let mut reader = Input::new(frame.body, CodecLimits::default());
        prop_assert_eq!(Performative::decode(&mut reader).unwrap(), said);
        prop_assert_eq!(reader.into_rest(), payload);
    }

    #[test]
    fn a_performative_has_its_full_width(said in performative()) {
        let expected = match &said {
            Performative::Open(_) => (descriptor::OPEN, 10),
            Performative::Begin(_) => (descriptor::BEGIN, 8),
            Performative::Attach(_) => (descriptor::ATTACH, 14),
            Performative::Flow(_) => (descriptor::FLOW, 11),
            Performative::Transfer(_) => (descriptor::TRANSFER, 11),
            Performative::Disposition(_) => (descriptor::DISPOSITION, 6),
            Performative::Detach(_) => (descriptor::DETACH, 3),
            Performative::End(_) => (descriptor::END, 1),
            Performative::Close(_) => (descriptor::CLOSE, 1),
        };
        let bytes = encoded(&said);
        prop_assert_eq!(width(&bytes), expected);
        // And so do the lists in it: the termini of an attach, and what is said of a fault.
        let mut reader = input(&bytes);
        reader.descriptor().unwrap();
        let Value::List(fields) = reader.value().unwrap() else { panic!("no list") };
        let lists = [(descriptor::SOURCE, 11), (descriptor::TARGET, 7), (descriptor::ERROR, 3)];
        for (at, field) in fields.iter().enumerate() {
            let Value::Described(described) = field else { continue };
            let Value::List(inner) = &described.value else { continue };
            let known = lists.iter().find(|(number, _)| described.descriptor == Value::Ulong(*number));
            if let Some((number, width)) = known {
                prop_assert_eq!(inner.len(), *width, "{} in field {}", number, at);
            }
        }
    }

    #[test]
    fn a_performative_is_read_in_any_width_and_with_its_long_name(said in performative()) {
        let bytes = encoded(&said);
        let mut reader = input(&bytes);
        reader.descriptor().unwrap();
        let Value::List(mut fields) = reader.value().unwrap() else { panic!("no list") };
        while fields.last() == Some(&Value::Null) {
            fields.pop();
        }
        let name = match &said {
            Performative::Open(_) => "amqp:open:list",
            Performative::Begin(_) => "amqp:begin:list",
            Performative::Attach(_) => "amqp:attach:list",
            Performative::Flow(_) => "amqp:flow:list",
            Performative::Transfer(_) => "amqp:transfer:list",
            Performative::Disposition(_) => "amqp:disposition:list",
            Performative::Detach(_) => "amqp:detach:list",
            Performative::End(_) => "amqp:end:list",
            Performative::Close(_) => "amqp:close:list",
        };
        let mut short = Vec::new();
        put_value(&mut short, &Value::described(Value::symbol(name), Value::List(fields)));
        prop_assert_eq!(Performative::decode(&mut input(&short)).unwrap(), said);
    }

    #[test]
    fn a_word_before_the_opening_is_read_as_it_was_written(said in sasl()) {
        let mut bytes = Vec::new();
        said.encode(&mut bytes);
        prop_assert_eq!(SaslFrame::decode(&mut input(&bytes)).unwrap(), said);
    }

    #[test]
    fn a_message_is_read_as_it_was_written(
        (header, properties) in (header(), properties()),
        (of_the_way, of_the_message, application) in (annotations(), annotations(), annotations()),
        (pieces, body) in (prop::collection::vec(binary(), 0..4), prop::option::of(value())),
    ) {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.header(&header);
        {
            let mut map = writer.delivery_annotations();
            for (key, value) in &of_the_way {
map.symbol(key, value);
}
        }
        {
            let mut map = writer.annotations();
            for (key, value) in &of_the_message {
map.symbol(key, value);
}
        }
        writer.properties(&properties);
        {
            let mut map = writer.application();
            for (key, value) in &application {
map.string(key, value);
}
        }
        match &body {
            Some(value) => writer.value(value),
            None => pieces.iter().for_each(|piece| writer.data(piece)),
        }
        let sections = Sections::decode(bytes.into(), CodecLimits::default()).unwrap();
        let symbols = |map: &[(skerry_amqp::codec::Symbol, Value)]| {
            map.iter().map(|(key, value)| (Value::Symbol(key.clone()), value.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(&sections.header, &Some(header));
        prop_assert_eq!(&sections.delivery_annotations, &symbols(&of_the_way));
        prop_assert_eq!(&sections.annotations, &symbols(&of_the_message));
        prop_assert_eq!(&sections.properties, &properties);
        let strings: Vec<_> =
            application.iter().map(|(key, value)| (Text::from(&**key), value.clone())).collect();
        prop_assert_eq!(&sections.application, &strings);
        match body {
            Some(value) => prop_assert_eq!(sections.body_value().unwrap(), value),
            None => {
                prop_assert_eq!(sections.body_bytes().unwrap(), pieces.concat());
                prop_assert_eq!(matches!(sections.body, Body::Datas(_)), pieces.len() > 1);
            }
        }
    }
}
