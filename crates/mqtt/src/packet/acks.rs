//! The packets that are only a number: PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK.

use super::input::Input;
use super::{Malformed, PacketId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub kind: AckKind,
    pub packet_id: PacketId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind {
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Unsuback,
}

impl Ack {
    pub fn puback(packet_id: PacketId) -> Self {
        Self { kind: AckKind::Puback, packet_id }
    }

    pub(super) fn decode(kind: u8, input: &mut Input) -> Result<Self, Malformed> {
        let kind = match kind {
            4 => AckKind::Puback,
            5 => AckKind::Pubrec,
            6 => AckKind::Pubrel,
            7 => AckKind::Pubcomp,
            11 => AckKind::Unsuback,
            _ => return Err(Malformed::Kind),
        };
        Ok(Self { kind, packet_id: input.packet_id()? })
    }

    pub(super) fn encode(self, into: &mut Vec<u8>) {
        let first = match self.kind {
            AckKind::Puback => 0x40,
            AckKind::Pubrec => 0x50,
            AckKind::Pubrel => 0x62,
            AckKind::Pubcomp => 0x70,
            AckKind::Unsuback => 0xb0,
        };
        let [high, low] = self.packet_id.get().to_be_bytes();
        into.extend_from_slice(&[first, 2, high, low]);
    }
}
