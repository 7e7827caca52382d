//! A packet's outermost form: a type, flags, a length, a body.

use bytes::{Buf as _, Bytes};

use super::Malformed;

/// What of a buffer is whole packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// So many bytes from the start are whole packets.
    pub bytes: usize,
    /// The packet after them has so many bytes altogether, as far as its length is known.
    pub next: Option<usize>,
}

/// How far `buffer` holds whole packets. Lengths are judged before anything is reserved for them.
/// A packet whose length is refused is told when it comes first: those before it are whole.
pub fn whole(buffer: &[u8], packet_bytes_max: usize) -> Result<Whole, Malformed> {
    let mut found = Whole::default();
    loop {
        let rest = &buffer[found.bytes..];
        let bytes = match judged(rest, packet_bytes_max) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(found),
            Err(malformed) if found.bytes == 0 => return Err(malformed),
            Err(_) => return Ok(found),
        };
        if bytes > rest.len() {
            return Ok(Whole { next: Some(bytes), ..found });
        }
        found.bytes += bytes;
    }
}

/// So many bytes has the first packet, if its head is whole.
fn judged(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, Malformed> {
    let Some((head, body)) = lengths(bytes)? else { return Ok(None) };
    let bytes = head + body;
    if bytes > bytes_max { Err(Malformed::TooLong { bytes, bytes_max }) } else { Ok(Some(bytes)) }
}

/// The lengths of head and body; `None` when the head is not whole.
fn lengths(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut body = 0;
    for at in 0..4 {
        let Some(byte) = bytes.get(1 + at) else { return Ok(None) };
        body |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((2 + at, body)));
        }
    }
    Err(Malformed::Length)
}

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) body: Bytes,
}

impl Frame {
    pub(super) fn split(block: &mut Bytes) -> Result<Self, Malformed> {
        let (head, body) = lengths(block)?.ok_or(Malformed::Short)?;
        if head + body > block.len() {
            return Err(Malformed::Short);
        }
        let first = block[0];
        block.advance(head);
        Ok(Self { kind: first >> 4, flags: first & 0x0f, body: block.split_to(body) })
    }
}

/// Type, flags and length; `body` bytes must follow.
pub(super) fn put_head(into: &mut Vec<u8>, first: u8, body: usize) {
    into.push(first);
    let mut rest = body;
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        into.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            return;
        }
    }
}
