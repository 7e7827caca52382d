//! One connection as the client sees it, without its socket.
//!
//! ```text
//!        connect              CONNACK
//!  New ───────────► Asking ───────────► Open ──► (ended: disconnect, a refusal, a violation, silence)
//!   ▲                                                 │
//!   └───────────────────── restart ───────────────────┘
//! ```
//!
//! # Call order
//!
//! The caller appends what it reads to a buffer of its own, calls [`Client::hear`], then
//! [`Client::poll_event`] until there is no event; whole packets are taken off the front of the
//! buffer, the rest stays for next time. What is to be sent is appended to the `out` that it passes
//! along. At [`Client::deadline`] it calls [`Client::handle_time`]; times count from a moment of the
//! caller's choice. An error ends the connection: the caller closes the socket.
//!
//! For the next connection it calls [`Client::restart`] and [`Client::connect`]; what was published
//! and not acknowledged is still there, and goes out again by [`Client::resend`].

mod connect;
mod ended;
mod keep_alive;
mod publish;
mod subscribe;

use std::time::Duration;

use bytes::BytesMut;

use crate::Window;
use crate::packet::{
    Ack, AckKind, Malformed, Packet, PacketId, Packets, Publish, Qos, Sender, SubackCode, whole,
};
pub use ended::Ended;
use keep_alive::KeepAlive;
pub use publish::{NotSent, Unsent};

#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// From CONNECT to its answer.
    pub connect_timeout: Duration,
    /// From a PINGREQ to anything at all.
    pub ping_timeout: Duration,
    /// What may be published with QoS 1, subscribed to and unsubscribed from without an answer yet.
    pub window: u16,
    /// The longest packet, either way.
    pub packet_bytes_max: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(30),
            window: 64,
            // The original's 256 KiB for a message, and the longest topic.
            packet_bytes_max: (256 + 64 + 1) << 10,
        }
    }
}

/// What has happened.
#[derive(Debug, PartialEq)]
pub enum Event<T> {
    /// The server has let the client in.
    Connected { session_present: bool },
    /// A publish is the server's now; what was kept with it.
    Published(T),
    /// A message; one with an id is to be settled with [`Client::settle`], soon or late.
    Message(Publish),
    /// The answer to [`Client::subscribe`], one code for each filter.
    Subscribed { packet_id: PacketId, codes: Vec<SubackCode> },
    /// The answer to [`Client::unsubscribe`].
    Unsubscribed { packet_id: PacketId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Asking { until: Duration },
    Open,
    Ended(Ended),
}

/// What the server has still to answer.
#[derive(Debug)]
enum Pending<T> {
    Publish(T),
    Subscribe { filters: usize },
    Unsubscribe,
}

/// The connection's machine; `T` is kept with each publish until it is acknowledged.
#[derive(Debug)]
pub struct Client<T> {
    limits: ClientLimits,
    state: State,
    keep_alive: KeepAlive,
    /// Packets that were whole when they were looked at, and not yet handled.
    incoming: Option<Packets>,
    pending: Window<Pending<T>>,
}

impl<T> Client<T> {
    pub fn new(limits: ClientLimits) -> Self {
        let pending = Window::new(limits.window);
        Self { limits, state: State::New, keep_alive: KeepAlive::default(), incoming: None, pending }
    }

    /// Ready for the next connection; unacknowledged publishes stay, open requests are forgotten.
    pub fn restart(&mut self) {
        let requests: Vec<PacketId> = self
            .pending
            .iter()
            .filter(|(_, pending)| !matches!(pending, Pending::Publish(_)))
            .map(|(id, _)| id)
            .collect();
        for id in requests {
            self.pending.remove(id);
        }
        (self.state, self.incoming) = (State::New, None);
    }

    /// Bytes have come. Any of them prove that the server lives.
    pub fn hear(&mut self) {
        self.keep_alive.hear();
    }

    /// The next event of what lies in `input`; `None` when it holds no whole packet any more.
    pub fn poll_event(&mut self, input: &mut BytesMut) -> Result<Option<Event<T>>, Ended> {
        if let State::Ended(reason) = self.state {
            return Err(reason);
        }
        let polled = self.next_event(input);
        if let Err(reason) = &polled {
            self.end(*reason);
        }
        polled
    }

    fn next_event(&mut self, input: &mut BytesMut) -> Result<Option<Event<T>>, Ended> {
        loop {
            let Some(packets) = &mut self.incoming else {
                let found = whole(input, self.limits.packet_bytes_max)?;
                if found.bytes == 0 {
                    return Ok(None);
                }
                self.incoming = Some(Packets::new(input.split_to(found.bytes).freeze(), Sender::Server));
                continue;
            };
            match packets.next() {
                Some(packet) => {
                    if let Some(event) = self.handle_packet(packet?)? {
                        return Ok(Some(event));
                    }
                }
                None => self.incoming = None,
            }
        }
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<Option<Event<T>>, Ended> {
        match (self.state, packet) {
            (State::Asking { .. }, Packet::Connack(connack)) => self.handle_connack(connack).map(Some),
            (State::Open, packet) => self.handle_open(packet),
            _ => Err(Ended::NoConnack),
        }
    }

    fn handle_open(&mut self, packet: Packet) -> Result<Option<Event<T>>, Ended> {
        match packet {
            Packet::Publish(publish) if publish.qos == Qos::ExactlyOnce => Err(Ended::ExactlyOnce),
            Packet::Publish(publish) => Ok(Some(Event::Message(publish))),
            Packet::Ack(Ack { kind: AckKind::Puback, packet_id }) => self.handle_puback(packet_id).map(Some),
            Packet::Ack(Ack { kind: AckKind::Unsuback, packet_id }) => {
                self.handle_unsuback(packet_id).map(Some)
            }
            Packet::Ack(_) => Err(Ended::ExactlyOnce),
            Packet::Suback(suback) => self.handle_suback(suback).map(Some),
            // It has been heard already.
            Packet::Pingresp => Ok(None),
            Packet::Connack(_) => Err(Ended::SecondConnack),
            // The decoder does not take these from a server.
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq
            | Packet::Disconnect => Err(Ended::Malformed(Malformed::Direction)),
        }
    }

    fn end(&mut self, reason: Ended) {
        (self.state, self.incoming) = (State::Ended(reason), None);
    }

    /// When to call [`Client::handle_time`], if nothing comes before.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::New | State::Ended(_) => None,
            State::Asking { until } => Some(until),
            State::Open => self.keep_alive.deadline(),
        }
    }

    /// Time has passed: sends a ping where one is due, and gives up a server that answers nothing.
    pub fn handle_time(&mut self, now: Duration, out: &mut Vec<u8>) -> Result<(), Ended> {
        let late = match self.state {
            State::New => None,
            State::Ended(reason) => Some(reason),
            State::Asking { until } => (until <= now).then_some(Ended::Late),
            State::Open => match self.keep_alive.handle_time(now, self.limits.ping_timeout) {
                keep_alive::Due::Nothing => None,
                keep_alive::Due::Ping => {
                    Packet::Pingreq.encode(out);
                    None
                }
                keep_alive::Due::End => Some(Ended::Silent),
            },
        };
        late.map_or(Ok(()), |reason| {
            self.end(reason);
            Err(reason)
        })
    }

    /// Whether the server has let the client in, and nothing has ended that.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Says goodbye, so that no will is published.
    pub fn disconnect(&mut self, out: &mut Vec<u8>) {
        if self.is_open() {
            Packet::Disconnect.encode(out);
            self.end(Ended::Disconnected);
        }
    }
}

#[cfg(test)]
mod tests;
