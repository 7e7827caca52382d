//! The frames of a client, taken apart as their bytes come: nothing of them is kept.
//!
//! ```text
//!  FIN RSV opcode | MASK length | longer length | mask | payload, xored with the mask
//! ```

/// Bytes of the longest head.
const HEAD_BYTES_MAX: usize = 14;
/// Bytes of a control frame's payload.
const CONTROL_BYTES_MAX: u64 = 125;

/// What may not come from a client; the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("a frame of a WebSocket client is not masked")]
    Unmasked,
    #[error("a frame uses bits or a type that were not agreed upon")]
    Reserved,
    #[error("a message of text came in a WebSocket, binary is expected")]
    Text,
    #[error("a control frame is too long or in pieces")]
    Control,
    #[error("the pieces of a message are in the wrong order")]
    Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Close,
    Ping,
    Pong,
}

/// What is to be said in return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Pong(Vec<u8>),
    Close,
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    payload: Option<Payload>,
    /// A message is not finished.
    in_message: bool,
    control: Vec<u8>,
}

#[derive(Debug)]
struct Payload {
    kind: Kind,
    left: u64,
    mask: [u8; 4],
    at: usize,
}

impl Frames {
    /// Takes the next bytes: `data` gets what is for the inside, at most as much as came.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        mut data: impl FnMut(&[u8]),
        mut reply: impl FnMut(Reply),
    ) -> Result<(), Violation> {
        while let Some((first, rest)) = bytes.split_first() {
            let Some(payload) = &mut self.payload else {
                self.head.push(*first);
                bytes = rest;
                self.read_head()?;
                self.end_empty(&mut reply);
                continue;
            };
            let len = usize::try_from(payload.left).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(len);
            bytes = rest;
            let mut plain = [0; 1024];
            for masked in piece.chunks(plain.len()) {
                let plain = &mut plain[..masked.len()];
                for (plain, byte) in plain.iter_mut().zip(masked) {
                    *plain = byte ^ payload.mask[payload.at & 3];
                    payload.at += 1;
                }
                match payload.kind {
                    Kind::Data => data(plain),
                    _ => self.control.extend_from_slice(plain),
                }
            }
            payload.left -= len as u64;
            self.end_empty(&mut reply);
        }
        Ok(())
    }

    /// Reads the head once it is whole.
    fn read_head(&mut self) -> Result<(), Violation> {
        let [first, second, rest @ ..] = self.head.as_slice() else { return Ok(()) };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(Violation::Reserved);
        }
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < length_bytes + 4 {
            debug_assert!(self.head.len() < HEAD_BYTES_MAX);
            return Ok(());
        }
        let (length, mask) = rest.split_at(length_bytes);
        let left = match length {
            [] => u64::from(second & 0x7f),
            longer => longer.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        let kind = self.kind(opcode, is_last)?;
        if kind != Kind::Data && (!is_last || left > CONTROL_BYTES_MAX) {
            return Err(Violation::Control);
        }
        self.payload = Some(Payload { kind, left, mask, at: 0 });
        self.head.clear();
        Ok(())
    }

    fn kind(&mut self, opcode: u8, is_last: bool) -> Result<Kind, Violation> {
        let kind = match opcode {
            0 if self.in_message => Kind::Data,
            2 if !self.in_message => Kind::Data,
            0 | 2 => return Err(Violation::Order),
            1 => return Err(Violation::Text),
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Err(Violation::Reserved),
        };
        if kind == Kind::Data {
            self.in_message = !is_last;
        }
        Ok(kind)
    }

    /// Ends the frame when nothing of it is missing.
    fn end_empty(&mut self, reply: &mut impl FnMut(Reply)) {
        let Some(payload) = self.payload.take_if(|payload| payload.left == 0) else { return };
        let control = std::mem::take(&mut self.control);
        match payload.kind {
            Kind::Data | Kind::Pong => {}
            Kind::Ping => reply(Reply::Pong(control)),
            Kind::Close => reply(Reply::Close),
        }
    }
}

/// Appends a frame of the server, which is not masked.
fn put(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.push(first);
    match payload.len() {
        len @ 0..=125 => out.push(len as u8),
        len @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

pub(super) fn put_data(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, 0x82, payload);
}

/// Going away; nothing follows.
pub(super) fn put_close(out: &mut Vec<u8>) {
    put(out, 0x88, &1000_u16.to_be_bytes());
}

pub(super) fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, 0x8a, payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, first, payload);
        let head = out.len() - payload.len();
        out[1] |= 0x80;
        let mask = [7, 77, 177, 250];
        let masked = payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at & 3]).collect::<Vec<_>>();
        out.truncate(head);
        out.extend_from_slice(&mask);
        out.extend_from_slice(&masked);
        out
    }

    fn take(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Reply>, Result<(), Violation>) {
        let (mut frames, mut data, mut replies) = (Frames::default(), Vec::new(), Vec::new());
        for piece in pieces {
            let taken =
                frames.take(piece, |bytes| data.extend_from_slice(bytes), |reply| replies.push(reply));
            if taken.is_err() {
                return (data, replies, taken);
            }
        }
        (data, replies, Ok(()))
    }

    #[test]
    fn the_same_comes_out_however_the_bytes_arrive() {
        let long = vec![b'z'; 70_000];
        let all = [
            frame(0x82, b"one"),
            frame(0x02, b"two"),
            frame(0x89, b"there?"),
            frame(0x80, b""),
            frame(0x82, &long),
            frame(0x8a, b""),
            frame(0x82, &[b'y'; 300]),
            frame(0x88, &1000_u16.to_be_bytes()),
        ]
        .concat();
        let whole = take(&[&all]);
        let expected = [&b"onetwo"[..], &long, &[b'y'; 300]].concat();
        assert_eq!(whole, (expected, vec![Reply::Pong(b"there?".to_vec()), Reply::Close], Ok(())));
        for size in [1, 2, 7, 1000, 1025] {
            assert_eq!(take(&all.chunks(size).collect::<Vec<_>>()), whole, "{size}");
        }
    }

    #[test]
    fn what_clients_may_not_send_ends_it() {
        let table = [
            (frame(0x81, b"text"), Violation::Text),
            (frame(0xc2, b"compressed"), Violation::Reserved),
            (frame(0x83, b"unknown"), Violation::Reserved),
            (frame(0x80, b"a piece of nothing"), Violation::Order),
            ([frame(0x02, b"a"), frame(0x82, b"b")].concat(), Violation::Order),
            (frame(0x09, b"in pieces"), Violation::Control),
            (frame(0x89, &[0; 126]), Violation::Control),
            (vec![0x82, 1, b'x'], Violation::Unmasked),
        ];
        for (bytes, violation) in table {
            assert_eq!(take(&[&bytes]).2, Err(violation));
        }
    }

    #[test]
    fn no_bytes_bring_it_down() {
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 56) as u8
                })
                .collect();
            let data = take(&[&bytes[..9], &bytes[9..]]).0;
            assert!(data.len() <= bytes.len());
        }
    }
}
