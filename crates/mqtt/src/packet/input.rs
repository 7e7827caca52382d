//! Takes fields off the front of a packet's body.

use bytes::{Buf as _, Bytes};

use super::{Malformed, PacketId, Text};

pub(super) struct Input {
    rest: Bytes,
}

impl Input {
    pub(super) fn new(body: Bytes) -> Self {
        Self { rest: body }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.rest.try_get_u8().map_err(|_| Malformed::Short)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.rest.try_get_u16().map_err(|_| Malformed::Short)
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.u16()?).ok_or(Malformed::PacketId)
    }

    /// Two bytes of length, then so many bytes.
    pub(super) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let len = usize::from(self.u16()?);
        if len > self.rest.len() {
            return Err(Malformed::Short);
        }
        Ok(self.rest.split_to(len))
    }

    pub(super) fn text(&mut self) -> Result<Text, Malformed> {
        Text::new(self.bytes()?).ok_or(Malformed::Text)
    }

    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }
}

/// Two bytes of length, then the bytes; what is longer than two bytes can say is the caller's bug.
pub(super) fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("fields are checked to fit before they are encoded");
    into.extend_from_slice(&len.to_be_bytes());
    into.extend_from_slice(bytes);
}
