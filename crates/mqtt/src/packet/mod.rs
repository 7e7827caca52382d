//! Packets, one file each: the decoder beside the encoder.
//!
//! Bytes are read in two steps. [`whole`] looks at the lengths only, against a limit, before
//! anything is reserved; what is whole is frozen once and [`Packets`] hands out slices of it.
//! A slice keeps its whole block in memory: copy what outlives the moment.

mod acks;
mod connack;
mod connect;
mod error;
mod filter;
mod frame;
mod input;
mod publish;
mod suback;
mod subscribe;
mod text;
mod unsubscribe;

use bytes::Bytes;

pub use acks::{Ack, AckKind};
pub use connack::{Connack, ConnectCode};
pub use connect::{Connect, Will};
pub use error::Malformed;
pub use filter::Filter;
pub use frame::{Whole, whole};
pub use publish::{PUBLISH_HEAD_MAX, Publish};
pub use suback::{Suback, SubackCode};
pub use subscribe::Subscribe;
pub use text::Text;
pub use unsubscribe::Unsubscribe;

use frame::Frame;
use input::Input;

/// Who sends a packet: what one side may send, the other may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    #[default]
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl Qos {
    pub(crate) fn from_bits(bits: u8) -> Result<Self, Malformed> {
        match bits {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(Malformed::Qos),
        }
    }

    pub fn bits(self) -> u8 {
        self as u8
    }
}

/// A packet's number on its connection; never 0.
pub type PacketId = std::num::NonZeroU16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Connect(Box<Connect>),
    Connack(Connack),
    Publish(Publish),
    Ack(Ack),
    Subscribe(Subscribe),
    Suback(Suback),
    Unsubscribe(Unsubscribe),
    Pingreq,
    Pingresp,
    Disconnect,
}

impl Packet {
    /// Decodes a whole frame sent by `sender`.
    fn decode(frame: Frame, sender: Sender) -> Result<Self, Malformed> {
        let Frame { kind, flags, body } = frame;
        let is_from = |allowed: Sender| if sender == allowed { Ok(()) } else { Err(Malformed::Direction) };
        // SUBSCRIBE, UNSUBSCRIBE and PUBREL carry 2, by order of the standard; the others 0.
        let expected = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
        if kind != 3 && flags != expected {
            return Err(Malformed::Flags);
        }
        let mut input = Input::new(body);
        let packet = match kind {
            1 => {
                is_from(Sender::Client)?;
                Self::Connect(Box::new(Connect::decode(&mut input)?))
            }
            2 => {
                is_from(Sender::Server)?;
                Self::Connack(Connack::decode(&mut input)?)
            }
            3 => Self::Publish(Publish::decode(flags, &mut input)?),
            4..=7 => Self::Ack(Ack::decode(kind, &mut input)?),
            8 => {
                is_from(Sender::Client)?;
                Self::Subscribe(Subscribe::decode(&mut input)?)
            }
            9 => {
                is_from(Sender::Server)?;
                Self::Suback(Suback::decode(&mut input)?)
            }
            10 => {
                is_from(Sender::Client)?;
                Self::Unsubscribe(Unsubscribe::decode(&mut input)?)
            }
            11 => {
                is_from(Sender::Server)?;
                Self::Ack(Ack::decode(kind, &mut input)?)
            }
            12 => {
                is_from(Sender::Client)?;
                Self::Pingreq
            }
            13 => {
                is_from(Sender::Server)?;
                Self::Pingresp
            }
            14 => {
                is_from(Sender::Client)?;
                Self::Disconnect
            }
            _ => return Err(Malformed::Kind),
        };
        if input.is_empty() { Ok(packet) } else { Err(Malformed::TrailingBytes) }
    }

    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect.encode(into),
            Self::Connack(connack) => connack.encode(into),
            Self::Publish(publish) => publish.encode(into),
            Self::Ack(ack) => ack.encode(into),
            Self::Subscribe(subscribe) => subscribe.encode(into),
            Self::Suback(suback) => suback.encode(into),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(into),
            Self::Pingreq => into.extend_from_slice(&[0xc0, 0]),
            Self::Pingresp => into.extend_from_slice(&[0xd0, 0]),
            Self::Disconnect => into.extend_from_slice(&[0xe0, 0]),
        }
    }
}

/// The packets of a block of whole frames, in order. After an error nothing more comes: where the
/// next packet would begin is not known for sure.
#[derive(Debug)]
pub struct Packets {
    block: Bytes,
    sender: Sender,
}

impl Packets {
    /// `block` holds what [`whole`] said is whole.
    pub fn new(block: Bytes, sender: Sender) -> Self {
        Self { block, sender }
    }

    /// What was not decoded yet.
    pub fn into_block(self) -> Bytes {
        self.block
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.block.is_empty() {
            return None;
        }
        let packet = Frame::split(&mut self.block).and_then(|frame| Packet::decode(frame, self.sender));
        if packet.is_err() {
            self.block = Bytes::new();
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests;
