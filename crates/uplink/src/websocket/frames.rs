//! Frames of a server, taken apart as their bytes come, and frames of ours.
//!
//! ```text
//!  FIN RSV opcode | MASK length | longer length | our mask | payload, ours xored with it
//! ```

/// Bytes of a control frame's payload.
const CONTROL_BYTES_MAX: u64 = 125;

/// Of the connection, not of what is inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Ping(Vec<u8>),
    Close,
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    frame: Option<Frame>,
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    left: u64,
}

impl Frames {
    /// Takes the next bytes: `data` gets what is for the inside. An error says what a server may not do.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        mut data: impl FnMut(&[u8]),
        mut control: impl FnMut(Control),
    ) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let Some(frame) = &mut self.frame else {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                self.frame = read_head(&self.head)?;
                self.end(&mut control);
                continue;
            };
            let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(len);
            bytes = rest;
            match frame.opcode {
                0..8 => data(piece),
                _ => self.control.extend_from_slice(piece),
            }
            frame.left -= len as u64;
            self.end(&mut control);
        }
        Ok(())
    }

    /// Ends a frame of which nothing is missing.
    fn end(&mut self, control: &mut impl FnMut(Control)) {
        let Some(frame) = self.frame.take_if(|frame| frame.left == 0) else { return };
        (self.head, self.frame) = (Vec::new(), None);
        let payload = std::mem::take(&mut self.control);
        match frame.opcode {
            8 => control(Control::Close),
            9 => control(Control::Ping(payload)),
            _ => {}
        }
    }
}

fn read_head(head: &[u8]) -> Result<Option<Frame>, &'static str> {
    let [first, second, rest @ ..] = head else { return Ok(None) };
    if first & 0x70 != 0 || !matches!(first & 0x0f, 0 | 2 | 8 | 9 | 10) {
        return Err("a WebSocket frame is of a kind that was not agreed upon");
    }
    let length_bytes = match second {
        126 => 2,
        127 => 8,
        0..=125 => 0,
        _ => return Err("a WebSocket frame of the server is masked"),
    };
    if rest.len() < length_bytes {
        return Ok(None);
    }
    let left = match rest {
        [] => u64::from(*second),
        longer => longer.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let opcode = first & 0x0f;
    if opcode >= 8 && (left > CONTROL_BYTES_MAX || first & 0x80 == 0) {
        return Err("a WebSocket control frame is too long or in pieces");
    }
    Ok(Some(Frame { opcode, left }))
}

/// Appends a frame of a client.
pub(super) fn put_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(first);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at & 3]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Control>, Result<(), &'static str>) {
        let (mut frames, mut data, mut controls) = (Frames::default(), Vec::new(), Vec::new());
        for piece in pieces {
            let taken =
                frames.take(piece, |bytes| data.extend_from_slice(bytes), |found| controls.push(found));
            if taken.is_err() {
                return (data, controls, taken);
            }
        }
        (data, controls, Ok(()))
    }

    #[test]
    fn the_same_comes_out_however_the_bytes_arrive() {
        let mut all = vec![0x82, 3, b'o', b'n', b'e', 0x02, 0, 0x89, 2, b'h', b'i', 0x80, 126, 1, 44];
        all.extend([b'z'; 300]);
        all.extend([0x8a, 0, 0x88, 2, 3, 232]);
        let expected = [&b"one"[..], &[b'z'; 300]].concat();
        let controls = vec![Control::Ping(b"hi".to_vec()), Control::Close];
        for size in [1, 2, 7, 1000] {
            let pieces: Vec<&[u8]> = all.chunks(size).collect();
            assert_eq!(take(&pieces), (expected.clone(), controls.clone(), Ok(())), "{size}");
        }
    }

    #[test]
    fn what_servers_may_not_send_is_an_error() {
        for bytes in
            [&[0x81, 1, b'x'][..], &[0xc2, 0], &[0x82, 0x81, 0, 0, 0, 0, 1], &[0x09, 0], &[0x89, 126, 0, 126]]
        {
            assert!(take(&[bytes]).2.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn our_frames_are_masked() {
        let mut out = Vec::new();
        put_frame(&mut out, 0x82, b"abcde", [1, 2, 3, 4]);
        assert_eq!(out, [0x82, 0x85, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, b'd' ^ 4, b'e' ^ 1]);
        for len in [126, 70_000] {
            out.clear();
            put_frame(&mut out, 0x82, &vec![0; len], [0; 4]);
            assert_eq!(out.len(), len + if len < 70_000 { 8 } else { 14 });
        }
    }
}
