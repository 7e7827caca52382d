//! One connection as either side sees it, without its socket.
//!
//! ```text
//!             header 3        mechanism        header 0          open             close
//!  Greeting ───────────► Sasl ─────────► Greeting ───────► Opening ──────► Open ─────────► Closed
//!      └───────────────── header 0 ─────────────────────────┘
//! ```
//!
//! # Call order
//!
//! The caller cuts what it read into units ([`unit_length`]) and hands them to [`Connection::handle_unit`]
//! one at a time; after each it takes [`Connection::poll_event`] until there is none, and does what they
//! ask, at once or later. What is to be sent grows in [`Connection::out`], which the caller empties. It
//! tells when it heard and when it spoke, and comes back at [`Connection::deadline`]: times count from
//! the moment that the connection began. After an error it sends what is there and closes.
//!
//! # Bounds
//!
//! | of | bound | overflow |
//! |---|---|---|
//! | a frame | `frame_bytes_max` | closed, before room is made |
//! | a message in pieces | `message_bytes_max` of its link | the link is detached |
//! | messages in the making, all together | `partial_bytes_max` | the link is detached |
//! | sessions, links | `sessions_max`, `links_max` | closed; the link is refused |
//! | messages to the peer without an outcome | `unsettled_max` a session | not ready to send |
//! | what the peer does not read | `out_bytes_max` | not ready to send |

mod begin;
mod error;
mod event;
mod flow;
mod greeting;
mod link;
mod receiving;
mod sending;
mod session;
mod timing;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{CodecLimits, Input, Text};
use crate::frame::{self, Frame, FrameError, Kind, put_frame};
use crate::performative::{Close, Fault, Performative};
pub use begin::Reply;
pub use error::Violation;
pub use event::{Delivery, DeliveryId, Event, LinkId, SessionId};
pub use greeting::Credentials;
use greeting::Phase;
pub use link::Offer;
pub use sending::Outgoing;
use session::Session;
use timing::Timing;

#[derive(Clone, Debug)]
pub struct Options {
    pub container: Text,
    /// The name of the peer, for a client.
    pub hostname: Option<Text>,
    pub frame_bytes_max: u32,
    pub sessions_max: u16,
    pub links_max: u32,
    /// Silence that we announce; twice as long is too long.
    pub idle_timeout: Duration,
    /// Frames that a session may have on the way to us.
    pub window: u32,
    pub unsettled_max: usize,
    pub partial_bytes_max: usize,
    pub out_bytes_max: usize,
    pub codec: CodecLimits,
}

impl Options {
    pub fn new(container: Text) -> Self {
        Self {
            container,
            hostname: None,
            frame_bytes_max: 64 << 10,
            sessions_max: 1024,
            links_max: 8192,
            idle_timeout: Duration::from_secs(120),
            window: 5000,
            unsettled_max: 2048,
            partial_bytes_max: 2 << 20,
            out_bytes_max: 256 << 10,
            codec: CodecLimits::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// What the peer said of itself.
#[derive(Clone, Copy, Debug)]
struct Peer {
    frame_bytes_max: u32,
    channel_max: u16,
}

/// The smallest that everybody has to take.
const FRAME_BYTES_MIN: u32 = 512;

#[derive(Debug)]
pub struct Connection {
    options: Options,
    side: Side,
    phase: Phase,
    credentials: Option<Credentials>,
    peer: Peer,
    /// By our channel.
    sessions: Vec<Option<Box<Session>>>,
    /// The peer's channels to ours.
    channels: BTreeMap<u16, u16>,
    links: u32,
    partial_bytes: usize,
    next_serial: u32,
    events: VecDeque<Event>,
    timing: Timing,
    /// To be sent.
    pub out: Vec<u8>,
}

/// The length of the header or frame that begins here; `None` while too little is there to say.
pub fn unit_length(bytes: &[u8], frame_bytes_max: usize) -> Result<Option<usize>, FrameError> {
    // As a length it would be more than a gigabyte.
    if bytes.starts_with(b"AMQP") {
        return Ok(Some(8));
    }
    frame::length(bytes, frame_bytes_max)
}

impl Connection {
    fn new(options: Options, side: Side, credentials: Option<Credentials>) -> Self {
        let timing = Timing::new(options.idle_timeout);
        Self {
            options,
            side,
            phase: Phase::Greeting { sasl_is_done: false },
            credentials,
            peer: Peer { frame_bytes_max: FRAME_BYTES_MIN, channel_max: u16::MAX },
            sessions: Vec::new(),
            channels: BTreeMap::new(),
            links: 0,
            partial_bytes: 0,
            next_serial: 0,
            events: VecDeque::new(),
            timing,
            out: Vec::new(),
        }
    }

    pub fn server(options: Options) -> Self {
        Self::new(options, Side::Server, None)
    }

    /// Its first bytes stand in [`Self::out`]. Without credentials it greets without SASL.
    pub fn client(options: Options, credentials: Option<Credentials>) -> Self {
        let mut client = Self::new(options, Side::Client, credentials);
        client.greet();
        client
    }

    /// Takes one header or frame.
    pub fn handle_unit(&mut self, unit: Bytes) -> Result<(), Violation> {
        let outcome =
            if unit.starts_with(b"AMQP") { self.handle_header(&unit) } else { self.handle_frame(unit) };
        outcome.inspect_err(|violation| self.give_up(violation))
    }

    fn handle_frame(&mut self, unit: Bytes) -> Result<(), Violation> {
        let Frame { kind, channel, body } = Frame::parse(unit)?;
        if body.is_empty() && kind == Kind::Amqp {
            return Ok(());
        }
        let mut input = Input::new(body, self.options.codec);
        if kind == Kind::Sasl {
            return self.handle_sasl(&mut input);
        }
        let performative = Performative::decode(&mut input)?;
        match (self.phase, performative) {
            // The peer may still say things that it said before it heard.
            (Phase::Closing, Performative::Close(_)) => {
                self.phase = Phase::Closed;
                self.events.push_back(Event::Closed { fault: None });
                Ok(())
            }
            (Phase::Closing | Phase::Closed, _) => Ok(()),
            (Phase::Opening, Performative::Open(open)) => self.handle_open(*open),
            (Phase::Open, Performative::Close(close)) => {
                self.handle_close(close);
                Ok(())
            }
            (Phase::Open, performative) => self.handle_open_frame(channel, performative, input.into_rest()),
            (phase, _) => Err(Violation::Phase { phase: phase.word() }),
        }
    }

    fn handle_open_frame(
        &mut self,
        channel: u16,
        performative: Performative,
        payload: Bytes,
    ) -> Result<(), Violation> {
        match performative {
            Performative::Begin(begin) => return self.handle_begin(channel, &begin),
            Performative::Open(_) => return Err(Violation::Phase { phase: "open" }),
            _ => {}
        }
        // What was on its way when a session ended concerns nobody.
        let Some(slot) = self.channels.get(&channel).copied() else { return Ok(()) };
        let outcome = match performative {
            Performative::Attach(attach) => {
                self.handle_attach(slot, *attach);
                Ok(())
            }
            Performative::Flow(flow) => self.handle_flow(slot, &flow),
            Performative::Transfer(transfer) => self.handle_transfer(slot, transfer, payload),
            Performative::Disposition(disposition) => {
                self.handle_disposition(slot, &disposition);
                Ok(())
            }
            Performative::Detach(detach) => self.handle_detach(slot, detach),
            Performative::End(end) => {
                self.handle_end(channel, slot, end.fault.as_ref());
                Ok(())
            }
            Performative::Begin(_) | Performative::Open(_) | Performative::Close(_) => Ok(()),
        };
        // A mistake in a session ends that session, and nothing else.
        if let Err(fault) = outcome {
            self.end(SessionId(slot), Some(fault));
        }
        Ok(())
    }

    fn handle_close(&mut self, close: Close) {
        self.put(0, &Performative::Close(Close::default()));
        self.phase = Phase::Closed;
        self.events.push_back(Event::Closed { fault: close.fault });
    }

    /// What happened; to be asked until there is nothing.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Gives back what a connection does not need while nothing happens.
    pub fn rest(&mut self) {
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }

    /// Says goodbye; the peer's answer is [`Event::Closed`].
    pub fn close(&mut self, fault: Option<Fault>) {
        if matches!(self.phase, Phase::Open | Phase::Opening) {
            self.put(0, &Performative::Close(Close { fault }));
            self.phase = Phase::Closing;
        }
    }

    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    fn give_up(&mut self, violation: &Violation) {
        if matches!(self.phase, Phase::Open | Phase::Opening) {
            self.put(0, &Performative::Close(Close { fault: Some(violation.fault()) }));
        }
        self.phase = Phase::Closed;
    }

    fn put(&mut self, channel: u16, performative: &Performative) {
        put_frame(&mut self.out, Kind::Amqp, channel, |out| performative.encode(out));
    }

    fn serial(&mut self) -> u32 {
        self.next_serial = self.next_serial.wrapping_add(1);
        self.next_serial
    }

    fn session(&mut self, slot: u16) -> Option<&mut Session> {
        self.sessions.get_mut(usize::from(slot))?.as_deref_mut()
    }

    fn session_at(&self, slot: u16) -> Option<&Session> {
        self.sessions.get(usize::from(slot))?.as_deref()
    }
}

#[cfg(test)]
mod tests;
