//! Mutated bytes: an error or a value, in bounds, and what was read is written and read the same.

use bytes::Bytes;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use skerry_amqp::codec::{CodecLimits, Input, put_value, skip_value};
use skerry_amqp::connection::unit_length;
use skerry_amqp::frame::{Frame, Kind, put_frame};
use skerry_amqp::message::{BATCH_FORMAT, Sections, Writer, from_wire, read_batch};
use skerry_amqp::performative::{Performative, SaslFrame};
use skerry_amqp::selector;

use crate::arbitrary::{header, performative, properties, sasl, value};
use crate::dice::{Dice, mutate, often};

/// Runs per test; for a long night: `SKERRY_TEST_FUZZ_RUNS=10000000`.
const RUNS: u64 = 30_000;

/// Well-formed bytes of each kind.
fn corpus() -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let mut corpus = Vec::new();
    for _ in 0..200 {
        let mut bytes = Vec::new();
        put_value(&mut bytes, &value().new_tree(&mut runner).unwrap().current());
        corpus.push(bytes);
        let mut bytes = Vec::new();
        performative().new_tree(&mut runner).unwrap().current().encode(&mut bytes);
        corpus.push(bytes);
        let mut bytes = Vec::new();
        sasl().new_tree(&mut runner).unwrap().current().encode(&mut bytes);
        corpus.push(bytes);
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.header(&header().new_tree(&mut runner).unwrap().current());
        writer.annotations().symbol_text("iothub-interface-id", "i").symbol_text("dt-subject", "c");
        writer.properties(&properties().new_tree(&mut runner).unwrap().current());
        writer.application().string_text("iothub-ack", "full").string_text("a", "b");
        writer.data(b"body");
        corpus.push(bytes.clone());
        let mut batch = Vec::new();
        Writer::new(&mut batch).data(&bytes);
        Writer::new(&mut batch).data(&bytes);
        corpus.push(batch);
    }
    corpus
}

fn input(bytes: &Bytes) -> Input {
    Input::new(bytes.clone(), CodecLimits::default())
}

/// Reads as a value; whether it was one.
fn look_at_value(bytes: &Bytes) -> bool {
    let mut reader = input(bytes);
    let Ok(value) = reader.value() else { return false };
    let len = bytes.len() - reader.rest().len();
    let mut skipper = input(bytes);
    skip_value(&mut skipper).unwrap();
    assert_eq!(skipper.rest().len(), bytes.len() - len, "both end at the same place");
    let mut again = Vec::new();
    put_value(&mut again, &value);
    // What is written is read, and written the same from then on. Not compared: numbers that are none.
    let second = input(&again.clone().into()).value().unwrap();
    let mut third = Vec::new();
    put_value(&mut third, &second);
    assert_eq!(third, again);
    if let Ok(begin) = selector::begin(&value) {
        assert_eq!(selector::begin(&second), Ok(begin));
    }
    true
}

fn look_at_performative(bytes: &Bytes) -> bool {
    let Ok(performative) = Performative::decode(&mut input(bytes)) else { return false };
    let mut again = Vec::new();
    performative.encode(&mut again);
    let second = Performative::decode(&mut input(&again.clone().into())).unwrap();
    let mut third = Vec::new();
    second.encode(&mut third);
    assert_eq!(third, again);
    true
}

fn look_at_message(bytes: &Bytes) -> bool {
    let sections = Sections::decode(bytes.clone(), CodecLimits::default());
    let mut messages = Vec::new();
    drop(read_batch(BATCH_FORMAT, bytes.clone(), &mut messages));
    let Ok(sections) = sections else { return false };
    drop(sections.body_value());
    if let Ok(message) = from_wire(sections) {
        assert!(message.body.len() <= bytes.len());
    }
    true
}

#[test]
fn mutated_values_frames_and_messages_are_read_or_refused() {
    let corpus = corpus();
    let mut dice = Dice::new(1);
    let (mut values, mut performatives, mut messages) = (0, 0, 0);
    let runs = often(RUNS);
    for _ in 0..runs {
        let mut bytes = dice.pick(&corpus).clone();
        for _ in 0..=dice.roll(4) {
            let other = dice.pick(&corpus).clone();
            mutate(&mut bytes, &other, &mut dice);
        }
        let bytes = Bytes::from(bytes);
        values += u64::from(look_at_value(&bytes));
        performatives += u64::from(look_at_performative(&bytes));
        drop(SaslFrame::decode(&mut input(&bytes)));
        messages += u64::from(look_at_message(&bytes));
        look_at_frames(&bytes, &mut dice);
    }
    // Otherwise the mutations would only ever test the first byte.
    for (what, count) in [("values", values), ("performatives", performatives), ("messages", messages)] {
        assert!(count > runs / 100, "only {count} {what} of {runs}");
    }
}

/// Cut as frames, with a head that may be right.
fn look_at_frames(bytes: &Bytes, dice: &mut Dice) {
    let mut framed = Vec::new();
    let kind = *dice.pick(&[Kind::Amqp, Kind::Sasl]);
    put_frame(&mut framed, kind, dice.number() as u16, |out| out.extend_from_slice(bytes));
    if dice.roll(2) == 0 {
        let at = dice.roll(8);
        framed[at] = dice.roll(256) as u8;
    }
    let mut rest = Bytes::from(framed);
    while let Ok(Some(len)) = unit_length(&rest, 64 << 10) {
        assert!((8..=64 << 10).contains(&len));
        if len > rest.len() {
            break;
        }
        let unit = rest.split_to(len);
        if let Ok(frame) = Frame::parse(unit) {
            assert!(frame.body.len() + 8 <= len);
        }
    }
}

#[test]
fn nonsense_takes_no_more_memory_than_its_bounds() {
    let limits = CodecLimits { depth_max: 4, items_max: 10 };
    let table: [(&str, Vec<u8>); 8] = [
        ("a list that claims a lot", vec![0xd0, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0x40, 0x40, 0x40, 0x40]),
        ("a map that claims a lot", vec![0xd1, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xfe]),
        ("an array of nothing, often", vec![0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40]),
        ("a binary that claims a lot", vec![0xb0, 0xff, 0xff, 0xff, 0xff, 1]),
        ("lists in lists", [0xc0, 0x20, 1].repeat(11)),
        ("descriptors of descriptors", vec![0; 100_000]),
        ("arrays in arrays", [0xe0, 0x20, 1, 0xe0].repeat(9)),
        ("eleven elements", [&[0xc0, 12, 11][..], &[0x40; 11]].concat()),
    ];
    for (what, bytes) in table {
        assert!(Input::new(bytes.clone().into(), limits).value().is_err(), "{what}");
        assert!(Performative::decode(&mut Input::new(bytes.clone().into(), limits)).is_err(), "{what}");
        assert!(Sections::decode(bytes.into(), limits).is_err(), "{what}");
    }
}
