//! Frames: those of the server taken apart as their bytes come, ours written with a mask.
//!
//! ```text
//!  FIN RSV opcode | MASK length | longer length | mask (ours only) | payload
//! ```

/// Bytes of a control frame's payload.
const CONTROL_BYTES_MAX: usize = 125;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("a frame of a WebSocket server is masked")]
    Masked,
    #[error("a frame uses bits or a type that were not agreed upon")]
    Reserved,
    #[error("a control frame is too long or in pieces")]
    Control,
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
    open: Option<(Kind, u64)>,
    control: Vec<u8>,
}

impl Frames {
    /// Takes the next bytes: `data` gets what is for the inside, at most as much as came.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        mut data: impl FnMut(&[u8]),
        mut reply: impl FnMut(Reply),
    ) -> Result<(), Violation> {
        loop {
            let Some((kind, left)) = self.open else {
                let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
                self.head.push(*first);
                bytes = rest;
                self.read_head()?;
                continue;
            };
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(len);
            bytes = rest;
            match kind {
                Kind::Data => data(piece),
                _ => self.control.extend_from_slice(piece),
            }
            let left = left - len as u64;
            if left > 0 {
                self.open = Some((kind, left));
                return Ok(());
            }
            self.open = None;
            let control = std::mem::take(&mut self.control);
            match kind {
                Kind::Ping => reply(Reply::Pong(control)),
                Kind::Close => reply(Reply::Close),
                Kind::Data | Kind::Pong => {}
            }
        }
    }

    /// Opens the frame once its head is whole.
    fn read_head(&mut self) -> Result<(), Violation> {
        let &[first, second, ..] = self.head.as_slice() else { return Ok(()) };
        if second & MASKED != 0 {
            return Err(Violation::Masked);
        }
        let length = match second {
            126 => self.head.get(2..4).map(|bytes| u64::from(u16::from_be_bytes([bytes[0], bytes[1]]))),
            127 => self
                .head
                .get(2..10)
                .map(|bytes| bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte))),
            length => Some(u64::from(length)),
        };
        let Some(length) = length else { return Ok(()) };
        let kind = match first & 0x7f {
            // Continued, text, or binary: what is inside is a stream.
            0..=2 => Kind::Data,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Err(Violation::Reserved),
        };
        if kind != Kind::Data && (length > CONTROL_BYTES_MAX as u64 || first & FINAL == 0) {
            return Err(Violation::Control);
        }
        self.head.clear();
        self.open = Some((kind, length));
        Ok(())
    }
}

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

pub(super) fn put_data(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    put(out, BINARY, payload, mask);
}

pub(super) fn put_pong(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    put(out, PONG, payload, mask);
}

/// A goodbye without complaint.
pub(super) fn put_close(out: &mut Vec<u8>, mask: [u8; 4]) {
    put(out, CLOSE, &1000_u16.to_be_bytes(), mask);
}

fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => out.push(MASKED | short),
        (_, Ok(long)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server writes them.
    fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, first & 0x7f, payload, [0; 4]);
        out[0] = first;
        out[1] &= !MASKED;
        let head = out.len() - payload.len();
        out.drain(head - 4..head);
        out
    }

    fn take(pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<Reply>), Violation> {
        let (mut frames, mut inside, mut replies) = (Frames::default(), Vec::new(), Vec::new());
        for piece in pieces {
            frames.take(piece, |data| inside.extend_from_slice(data), |reply| replies.push(reply))?;
        }
        Ok((inside, replies))
    }

    #[test]
    fn frames_of_every_length_are_taken_apart_wherever_they_are_cut() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let bytes =
                [plain(0x82, &payload), plain(0x89, b"p"), plain(0x82, b"end"), plain(0x88, b"")].concat();
            let expected =
                ([payload, b"end".to_vec()].concat(), vec![Reply::Pong(b"p".to_vec()), Reply::Close]);
            for cut in [1, 2, 3, 9, 11, bytes.len() / 2, bytes.len() - 1] {
                let found = take(&[&bytes[..cut], &bytes[cut..]]);
                assert_eq!(found.as_ref(), Ok(&expected), "{len} {cut}");
            }
        }
    }

    #[test]
    fn what_a_server_may_not_send_is_told() {
        assert_eq!(take(&[&[0x82, 0x81, 0, 0, 0, 0, 1]]), Err(Violation::Masked));
        assert_eq!(take(&[&[0x83, 0]]), Err(Violation::Reserved));
        assert_eq!(take(&[&[0xc2, 0]]), Err(Violation::Reserved));
        assert_eq!(take(&[&[0x09, 0]]), Err(Violation::Control));
        assert_eq!(take(&[&[0x89, 126, 0, 126]]), Err(Violation::Control));
    }

    #[test]
    fn ours_are_masked() {
        let mut out = Vec::new();
        put_data(&mut out, b"abc", [1, 2, 3, 4]);
        assert_eq!(out, [0x82, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3]);
    }
}
