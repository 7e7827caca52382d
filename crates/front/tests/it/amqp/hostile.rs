//! Every mistake has its answer, and costs nobody else anything.

use bytes::{Bytes, BytesMut};
use skerry_amqp::codec::{CodecLimits, Input, Value, code};
use skerry_amqp::connection::unit_length;
use skerry_amqp::frame::{Frame, Kind, put_frame};
use skerry_amqp::performative::{
    Attach, Begin, Close, Detach, End, Flow, Open, Outcome, Performative, Role, Source, Target, Transfer,
    condition,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::body;
use crate::world::{World, until, within};

const HEADER: &[u8] = b"AMQP\x00\x01\x00\x00";

/// Says bytes and hears frames, with no machine in between.
struct Raw {
    stream: TlsStream<TcpStream>,
    read: BytesMut,
}

fn frame(channel: u16, said: &Performative, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, Kind::Amqp, channel, |out| {
        said.encode(out);
        out.extend_from_slice(payload);
    });
    bytes
}

fn open() -> Vec<u8> {
    let open = Open { container: "raw".into(), hostname: Some("h".into()), ..Open::default() };
    [HEADER, &frame(0, &Performative::Open(Box::new(open)), b"")].concat()
}

fn begin(channel: u16) -> Vec<u8> {
    let begin = Begin { next_outgoing: 1, incoming_window: 100, outgoing_window: 100, ..Begin::default() };
    frame(channel, &Performative::Begin(begin), b"")
}

fn attach(channel: u16, handle: u32, name: &str, role: Role) -> Vec<u8> {
    let attach = Attach {
        name: name.into(),
        handle,
        role,
        source: Some(Source::at("$cbs")),
        target: Some(Target::at("$cbs")),
        delivery_count: Some(0),
        ..Attach::default()
    };
    frame(channel, &Performative::Attach(Box::new(attach)), b"")
}

fn transfer(channel: u16, handle: u32, delivery: u32, payload: &[u8]) -> Vec<u8> {
    let (delivery, tag) = (Some(delivery), Some(Bytes::from_static(b"t")));
    let transfer = Transfer { handle, delivery, tag, ..Transfer::default() };
    frame(channel, &Performative::Transfer(transfer), payload)
}

fn flow(channel: u16, flow: Flow) -> Vec<u8> {
    frame(channel, &Performative::Flow(flow), b"")
}

fn detach(channel: u16, handle: u32) -> Vec<u8> {
    let detach = Detach { handle, is_closed: true, fault: None };
    frame(channel, &Performative::Detach(detach), b"")
}

fn end(channel: u16) -> Vec<u8> {
    frame(channel, &Performative::End(End::default()), b"")
}

impl Raw {
    async fn connect(world: &World) -> Self {
        Self { stream: world.amqp_stream().await, read: BytesMut::new() }
    }

    async fn say(&mut self, bytes: &[u8]) {
        // Who is refused may be cut off while it still writes.
        self.stream.write_all(bytes).await.ok();
        self.stream.flush().await.ok();
    }

    /// The next thing that is said; headers are passed over.
    async fn hear(&mut self) -> Option<(u16, Performative)> {
        loop {
            match unit_length(&self.read, 1 << 20).unwrap() {
                Some(len) if len <= self.read.len() => {
                    let unit = self.read.split_to(len).freeze();
                    if unit.starts_with(b"AMQP") {
                        continue;
                    }
                    let frame = Frame::parse(unit).unwrap();
                    let mut input = Input::new(frame.body, CodecLimits::default());
                    return Some((frame.channel, Performative::decode(&mut input).unwrap()));
                }
                _ => {}
            }
            match within(self.stream.read_buf(&mut self.read)).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// What ended, and why, on the way to this end of a channel or of the connection; and how many
    /// attaches came before.
    async fn ends(&mut self) -> Vec<(&'static str, String)> {
        let mut ends = Vec::new();
        while let Some((_, said)) = self.hear().await {
            let (what, fault) = match said {
                Performative::Detach(detach) => ("detach", detach.fault),
                Performative::End(end) => ("end", end.fault),
                Performative::Close(close) => ("close", close.fault),
                _ => continue,
            };
            ends.push((what, fault.map(|fault| fault.condition.to_string()).unwrap_or_default()));
            if what == "close" {
                break;
            }
        }
        ends
    }
}

/// A list in a list in a list.
fn deep(depth: usize) -> Vec<u8> {
    let mut bytes = vec![code::LIST_0];
    for _ in 0..depth {
        let mut outer = vec![code::LIST_32];
        outer.extend((bytes.len() as u32 + 4).to_be_bytes());
        outer.extend(1_u32.to_be_bytes());
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, Kind::Amqp, 0, |out| out.extend_from_slice(body));
    bytes
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_why_and_closed_and_others_are_served() {
    let world = World::start();
    let mut witness = world.amqp_of(&["d1"]).await;
    let link = witness.sender("/devices/d1/messages/events").await;
    let descriptor = [0x00, 0x53, 0x10];
    let behind = |wrong: &[u8]| [&open()[..], &begin(0), wrong].concat();
    let framing = condition::FRAMING_ERROR;
    let decode = condition::DECODE_ERROR;
    let limit = condition::RESOURCE_LIMIT_EXCEEDED;
    let table: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
        ("zeros", vec![0; 64], None),
        ("frames before the header", open()[8..].to_vec(), None),
        ("a session before the opening", [HEADER, &begin(0)].concat(), None),
        ("a frame that is too large", behind(&[0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 0]), Some(framing)),
        ("a frame that is too small", behind(&[0, 0, 0, 7, 2, 0, 0, 0]), Some(framing)),
        ("a body that begins outside", behind(&[0, 0, 0, 8, 9, 0, 0, 0]), Some(framing)),
        ("a frame of another kind", behind(&[0, 0, 0, 8, 2, 7, 0, 0]), Some(framing)),
        ("a second header", behind(HEADER), Some(framing)),
        ("a second open", [open(), open()[8..].to_vec()].concat(), Some(framing)),
        ("SASL in the middle", behind(&[0, 0, 0, 12, 2, 1, 0, 0, 0, 0x53, 0x41, 0x45]), Some(framing)),
        ("nothing that can be read", behind(&framed(b"\xff\xff\xff")), Some(decode)),
        ("lists in lists", behind(&framed(&[&descriptor[..], &deep(100)].concat())), Some(decode)),
        (
            "a huge count",
            {
                let list = [0xd0, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0x40, 0x40, 0x40, 0x40];
                behind(&framed(&[&descriptor[..], &list].concat()))
            },
            Some(decode),
        ),
        ("a channel that is taken", behind(&begin(0)), Some(limit)),
        (
            "a frame size below the least",
            {
                let open = Open { container: "raw".into(), frame_bytes_max: Some(100), ..Open::default() };
                [HEADER, &frame(0, &Performative::Open(Box::new(open)), b"")].concat()
            },
            Some(framing),
        ),
    ];
    let count = table.len() as u64;
    for (what, wrong, expected) in table {
        let mut raw = Raw::connect(&world).await;
        raw.say(&wrong).await;
        let ends = raw.ends().await;
        match expected {
            Some(condition) => assert_eq!(ends, [("close", condition.to_owned())], "{what}"),
            None => assert!(ends.iter().all(|(_, why)| why == framing), "{what}: {ends:?}"),
        }
        assert_eq!(raw.hear().await, None, "{what}: and nothing after it");
        assert!(witness.is_silent().await, "{what}");
    }
    let figures = world.handle.figures();
    until("all are gone", || figures.amqp_open.get() == 1).await;
    assert_eq!(figures.amqp_broken.get(), count);
    assert_eq!(witness.deliver(link, body(b"still here")).await, Outcome::Accepted);
    world.stopped().await;
}

#[tokio::test]
async fn a_mistake_in_a_session_ends_the_session_and_one_on_a_link_the_link() {
    let world = World::start();
    let unattached = condition::UNATTACHED_HANDLE;
    let cbs = |handle| attach(0, handle, &format!("link{handle}"), Role::Sender);
    let table: Vec<(&str, Vec<u8>, (&str, &str))> = vec![
        (
            "a handle twice",
            [cbs(1), attach(0, 1, "other", Role::Sender)].concat(),
            ("end", condition::HANDLE_IN_USE),
        ),
        (
            "a name twice",
            [cbs(1), attach(0, 2, "link1", Role::Sender)].concat(),
            ("detach", condition::STOLEN),
        ),
        ("a detach of nothing", detach(0, 9), ("end", unattached)),
        ("a message for nothing", transfer(0, 9, 1, b""), ("end", unattached)),
        ("a flow for nothing", flow(0, Flow { handle: Some(9), ..Flow::default() }), ("end", unattached)),
        (
            "a message on the wrong side",
            { [attach(0, 1, "answers", Role::Receiver), transfer(0, 1, 1, b"")].concat() },
            ("end", condition::NOT_ALLOWED),
        ),
        (
            "a message without a number",
            {
                let wrong = Transfer { handle: 1, ..Transfer::default() };
                [cbs(1), frame(0, &Performative::Transfer(wrong), b"")].concat()
            },
            ("detach", condition::INVALID_FIELD),
        ),
    ];
    for (what, wrong, (expected, why)) in table {
        let mut raw = Raw::connect(&world).await;
        // The other session lives on.
        raw.say(&[&open()[..], &begin(1), &begin(0), &wrong].concat()).await;
        let close = frame(0, &Performative::Close(Close::default()), b"");
        raw.say(&[&attach(1, 0, "alive", Role::Sender)[..], &close].concat()).await;
        let ends = raw.ends().await;
        assert_eq!(ends, [(expected, why.to_owned()), ("close", String::new())], "{what}");
    }
    assert_eq!(world.handle.figures().amqp_broken.get(), 0);
    world.stopped().await;
}

#[tokio::test]
async fn flows_with_absurd_numbers_break_nothing() {
    let world = World::start();
    let mut raw = Raw::connect(&world).await;
    let mut said = [open(), begin(0), attach(0, 1, "answers", Role::Receiver)].concat();
    for number in [0, 1, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
        let absurd = Flow {
            next_incoming: Some(number),
            incoming_window: number,
            next_outgoing: number,
            outgoing_window: number,
            handle: Some(1),
            delivery_count: Some(number),
            credit: Some(number),
            available: Some(number),
            is_drain: number % 2 == 0,
            wants_echo: true,
            properties: Value::Null,
        };
        said.extend(flow(0, absurd));
    }
    said.extend(end(0));
    said.extend(frame(0, &Performative::Close(Close::default()), b""));
    raw.say(&said).await;
    assert_eq!(raw.ends().await, [("end", String::new()), ("close", String::new())]);
    world.stopped().await;
}

#[tokio::test]
async fn what_comes_after_an_end_concerns_nobody() {
    let world = World::start();
    let mut raw = Raw::connect(&world).await;
    let late = [transfer(0, 1, 1, b"late"), attach(0, 5, "late", Role::Sender), detach(0, 1)].concat();
    let close = frame(0, &Performative::Close(Close::default()), b"");
    let first = [open(), begin(0), attach(0, 1, "one", Role::Sender), end(0), late.clone()].concat();
    // The channel can be used again.
    let again = [begin(0), attach(0, 1, "two", Role::Sender), close, late, begin(7)].concat();
    raw.say(&[first, again].concat()).await;
    assert_eq!(raw.ends().await, [("end", String::new()), ("close", String::new())]);
    assert_eq!(raw.hear().await, None);
    until("it left", || world.handle.figures().amqp_left.get() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn sessions_and_links_have_their_bounds() {
    let world = World::with(|options| {
        options.amqp_limits.machine.sessions_max = 3;
        options.amqp_limits.machine.links_max = 3;
    });
    let mut raw = Raw::connect(&world).await;
    let links: Vec<u8> =
        (0..5).flat_map(|handle| attach(0, handle, &format!("link{handle}"), Role::Sender)).collect();
    raw.say(&[open(), begin(0), begin(1), begin(2), links, begin(3)].concat()).await;
    let limit = || condition::RESOURCE_LIMIT_EXCEEDED.to_owned();
    assert_eq!(raw.ends().await, [("detach", limit()), ("detach", limit()), ("close", limit())]);
    world.stopped().await;
}

#[tokio::test]
async fn a_mistake_behind_something_good_is_met_at_once() {
    let world = World::start();
    let mut raw = Raw::connect(&world).await;
    // Nothing comes behind it that would wake anybody.
    raw.say(&[&open()[..], &begin(0), &[0xff; 8]].concat()).await;
    assert_eq!(raw.ends().await, [("close", condition::FRAMING_ERROR.to_owned())]);
    world.stopped().await;
}

#[tokio::test]
async fn an_opening_may_come_byte_by_byte() {
    let world = World::start();
    let mut raw = Raw::connect(&world).await;
    for byte in [open(), begin(0), attach(0, 0, "slow", Role::Sender)].concat() {
        raw.say(&[byte]).await;
    }
    assert!(matches!(raw.hear().await, Some((0, Performative::Open(_)))));
    assert!(matches!(raw.hear().await, Some((0, Performative::Begin(_)))));
    assert!(matches!(raw.hear().await, Some((0, Performative::Attach(_)))));
    world.stopped().await;
}

#[tokio::test]
async fn garbage_before_tls_is_no_connection() {
    let world = World::start();
    let mut tcp = TcpStream::connect(world.handle.amqp_address().unwrap()).await.unwrap();
    tcp.write_all(&open()).await.unwrap();
    until("it is refused", || world.handle.figures().handshakes_failed.get() == 1).await;
    assert_eq!(world.handle.figures().amqp_open.get(), 0);
    world.stopped().await;
}
