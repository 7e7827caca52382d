//! PUBLISH: a message.

use bytes::Bytes;

use super::connect::is_topic_name;
use super::frame::put_head;
use super::input::{Input, put_bytes};
use super::{Malformed, PacketId, Qos, Text};

/// What a PUBLISH has beside topic and payload, at most.
pub const PUBLISH_HEAD_MAX: usize = 5 + 2 + 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Sent before, and not acknowledged.
    pub dup: bool,
    pub qos: Qos,
    pub retain: bool,
    pub topic: Text,
    /// There unless the quality of service is 0.
    pub packet_id: Option<PacketId>,
    pub payload: Bytes,
}

impl Publish {
    pub(super) fn decode(flags: u8, input: &mut Input) -> Result<Self, Malformed> {
        let (dup, qos, retain) = (flags & 8 != 0, Qos::from_bits(flags >> 1 & 3)?, flags & 1 != 0);
        if dup && qos == Qos::AtMostOnce {
            return Err(Malformed::Dup);
        }
        let topic = input.text()?;
        if !is_topic_name(&topic) {
            return Err(Malformed::Topic);
        }
        let packet_id = if qos == Qos::AtMostOnce { None } else { Some(input.packet_id()?) };
        Ok(Self { dup, qos, retain, topic, packet_id, payload: input.rest() })
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.reserve(PUBLISH_HEAD_MAX + self.topic.len() + self.payload.len());
        self.encode_head(into);
        into.extend_from_slice(&self.payload);
    }

    /// All but the payload, for writers that send it from where it lies.
    pub fn encode_head(&self, into: &mut Vec<u8>) {
        let flags = u8::from(self.dup) << 3 | self.qos.bits() << 1 | u8::from(self.retain);
        let id = self.packet_id.map_or(0, |_| 2);
        put_head(into, 0x30 | flags, 2 + self.topic.as_bytes().len() + id + self.payload.len());
        put_bytes(into, self.topic.as_bytes());
        if let Some(id) = self.packet_id {
            into.extend_from_slice(&id.get().to_be_bytes());
        }
    }
}
