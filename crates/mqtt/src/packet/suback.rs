//! SUBACK: what was granted, one code for each filter.

use super::frame::put_head;
use super::input::Input;
use super::{Malformed, PacketId, Qos};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suback {
    pub packet_id: PacketId,
    pub codes: Vec<SubackCode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubackCode {
    Granted(Qos),
    Refused,
}

impl Suback {
    pub(super) fn decode(input: &mut Input) -> Result<Self, Malformed> {
        let packet_id = input.packet_id()?;
        let mut codes = Vec::new();
        while !input.is_empty() {
            codes.push(match input.byte()? {
                0x80 => SubackCode::Refused,
                bits => SubackCode::Granted(Qos::from_bits(bits).map_err(|_| Malformed::Code)?),
            });
        }
        if codes.is_empty() { Err(Malformed::NoFilter) } else { Ok(Self { packet_id, codes }) }
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_head(into, 0x90, 2 + self.codes.len());
        into.extend_from_slice(&self.packet_id.get().to_be_bytes());
        into.extend(self.codes.iter().map(|code| match code {
            SubackCode::Granted(qos) => qos.bits(),
            SubackCode::Refused => 0x80,
        }));
    }
}
