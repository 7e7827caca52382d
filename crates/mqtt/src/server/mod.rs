//! One connection as the server sees it, without its socket.
//!
//! ```text
//!             CONNECT                accept
//!  Greeting ───────────► Deciding ───────────► Open ──► DISCONNECT, a violation, silence
//!                            └── refuse ──► (closed by the caller)
//! ```
//!
//! # Call order
//!
//! The caller cuts what it read into packets ([`crate::packet`]) and hands them to
//! [`Server::handle_packet`], one at a time, doing what each [`Event`] asks before the next. After
//! [`Event::Connect`] it hands over nothing until it has decided: [`Server::accept`] or
//! [`Server::refuse`]. What is to be sent is appended to the `out` that it passes along. It closes
//! when [`Server::is_late`], which changes at [`Server::deadline`]; times count from the moment
//! that the connection began.

mod violation;

use std::time::Duration;

use bytes::Bytes;

use crate::Window;
use crate::packet::{
    Ack, AckKind, Connack, Connect, ConnectCode, Packet, PacketId, Publish, Qos, Suback, SubackCode,
    Subscribe, Text, Unsubscribe,
};
pub use violation::Violation;

#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// From the beginning to the end of CONNECT.
    pub connect_timeout: Duration,
    /// The longest silence, whatever keep-alive the client asks for.
    pub silence_max: Duration,
    /// Deliveries that the client may leave unacknowledged.
    pub window: u16,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            // The original's: one and a half times a keep-alive of 1178 seconds.
            silence_max: Duration::from_secs(1767),
            window: 64,
        }
    }
}

/// What the caller has to do.
#[derive(Debug, PartialEq)]
pub enum Event<T> {
    /// Somebody wants in.
    Connect(Box<Connect>),
    /// A message, to be acknowledged if it has an id.
    Publish(Publish),
    /// A delivery arrived; what was kept with it.
    Delivered(T),
    /// To be answered with [`Server::suback`].
    Subscribe(Subscribe),
    /// To be answered with [`Server::unsuback`].
    Unsubscribe(Unsubscribe),
    /// The client goes, properly.
    Disconnect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Deciding { keep_alive: Duration },
    Open { silence: Duration },
}

/// The connection's machine; `T` is kept with each delivery until it is acknowledged.
#[derive(Debug)]
pub struct Server<T> {
    limits: ServerLimits,
    state: State,
    heard: Duration,
    window: Window<T>,
}

impl<T> Server<T> {
    pub fn new(limits: ServerLimits) -> Self {
        let window = Window::new(limits.window);
        Self { limits, state: State::Greeting, heard: Duration::ZERO, window }
    }

    /// Bytes have come. Any of them prove that the client lives.
    pub fn hear(&mut self, now: Duration) {
        self.heard = self.heard.max(now);
    }

    pub fn handle_packet(
        &mut self,
        packet: Packet,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<T>>, Violation> {
        match (self.state, packet) {
            (State::Greeting, Packet::Connect(connect)) => Ok(Some(self.greet(connect))),
            (State::Greeting, _) => Err(Violation::NoConnect),
            (State::Deciding { .. }, _) => Err(Violation::Early),
            (State::Open { .. }, packet) => self.handle_open(packet, out),
        }
    }

    fn greet(&mut self, connect: Box<Connect>) -> Event<T> {
        let keep_alive = Duration::from_secs(connect.keep_alive_s.into());
        self.state = State::Deciding { keep_alive };
        Event::Connect(connect)
    }

    fn handle_open(&mut self, packet: Packet, out: &mut Vec<u8>) -> Result<Option<Event<T>>, Violation> {
        Ok(match packet {
            Packet::Publish(publish) if publish.qos == Qos::ExactlyOnce => {
                return Err(Violation::ExactlyOnce);
            }
            Packet::Publish(publish) => Some(Event::Publish(publish)),
            // An id that is not under way was acknowledged twice, which harms nobody.
            Packet::Ack(Ack { kind: AckKind::Puback, packet_id }) => {
                self.window.remove(packet_id).map(Event::Delivered)
            }
            Packet::Subscribe(subscribe) => Some(Event::Subscribe(subscribe)),
            Packet::Unsubscribe(unsubscribe) => Some(Event::Unsubscribe(unsubscribe)),
            Packet::Pingreq => {
                Packet::Pingresp.encode(out);
                None
            }
            Packet::Disconnect => Some(Event::Disconnect),
            Packet::Connect(_) => return Err(Violation::SecondConnect),
            Packet::Ack(_) => return Err(Violation::ExactlyOnce),
            Packet::Connack(_) | Packet::Suback(_) | Packet::Pingresp => return Err(Violation::Direction),
        })
    }

    /// Lets the client in.
    pub fn accept(&mut self, session_present: bool, out: &mut Vec<u8>) {
        let State::Deciding { keep_alive } = self.state else { return };
        let silence = match keep_alive {
            Duration::ZERO => self.limits.silence_max,
            keep_alive => (keep_alive + keep_alive / 2).min(self.limits.silence_max),
        };
        self.state = State::Open { silence };
        Packet::Connack(Connack { session_present, code: ConnectCode::Accepted }).encode(out);
    }

    /// Tells the client why not; the caller closes.
    pub fn refuse(&mut self, code: ConnectCode, out: &mut Vec<u8>) {
        Packet::Connack(Connack::refused(code)).encode(out);
    }

    pub fn puback(&self, id: PacketId, out: &mut Vec<u8>) {
        Packet::Ack(Ack::puback(id)).encode(out);
    }

    pub fn suback(&self, packet_id: PacketId, codes: Vec<SubackCode>, out: &mut Vec<u8>) {
        Packet::Suback(Suback { packet_id, codes }).encode(out);
    }

    pub fn unsuback(&self, packet_id: PacketId, out: &mut Vec<u8>) {
        Packet::Ack(Ack { kind: AckKind::Unsuback, packet_id }).encode(out);
    }

    /// Sends something that is not acknowledged.
    pub fn send(&self, topic: Text, payload: Bytes, out: &mut Vec<u8>) {
        let publish =
            Publish { dup: false, qos: Qos::AtMostOnce, retain: false, topic, packet_id: None, payload };
        Packet::Publish(publish).encode(out);
    }

    /// Whether one more delivery may be under way.
    pub fn has_room(&self) -> bool {
        !self.window.is_full()
    }

    /// Sends something that is acknowledged, and keeps `item` until it is. `again` for what was
    /// sent on an earlier connection. Gives the item back, and sends nothing, when there is no room.
    pub fn deliver(
        &mut self,
        topic: Text,
        payload: Bytes,
        again: bool,
        item: T,
        out: &mut Vec<u8>,
    ) -> Result<(), T> {
        let id = self.window.insert(item)?;
        let publish =
            Publish { dup: again, qos: Qos::AtLeastOnce, retain: false, topic, packet_id: Some(id), payload };
        Packet::Publish(publish).encode(out);
        Ok(())
    }

    /// What was delivered and not acknowledged, in order.
    pub fn undelivered(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.window.take()
    }

    /// When silence becomes too long, if nothing comes before.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Greeting => Some(self.limits.connect_timeout),
            // The client waits for us.
            State::Deciding { .. } => None,
            State::Open { silence } => Some(self.heard + silence),
        }
    }

    pub fn is_late(&self, now: Duration) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests;
