//! Frames: a length, where the body begins, a kind and a channel.

use bytes::Bytes;

/// Of the head, and the smallest frame: a sign of life.
pub const HEAD_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Amqp,
    Sasl,
}

/// A frame that came whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub kind: Kind,
    pub channel: u16,
    /// Empty for a sign of life.
    pub body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame says that it has {bytes} bytes, {bytes_max} are allowed at most and 8 at least")]
    Size { bytes: usize, bytes_max: usize },
    #[error("the body of a frame begins outside of it")]
    Offset,
    #[error("there are no frames of the kind {kind}")]
    Kind { kind: u8 },
}

/// The length of the frame that begins here; `None` while too little of it is there to say.
pub fn length(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(head) = bytes.first_chunk::<4>() else { return Ok(None) };
    let bytes = u32::from_be_bytes(*head) as usize;
    if (HEAD_BYTES..=bytes_max).contains(&bytes) {
        Ok(Some(bytes))
    } else {
        Err(FrameError::Size { bytes, bytes_max })
    }
}

impl Frame {
    /// The whole frame, as [`length`] says.
    pub fn parse(mut bytes: Bytes) -> Result<Self, FrameError> {
        let head: [u8; HEAD_BYTES] = *bytes.first_chunk().ok_or(FrameError::Offset)?;
        let start = usize::from(head[4]) * 4;
        if start < HEAD_BYTES || start > bytes.len() {
            return Err(FrameError::Offset);
        }
        let kind = match head[5] {
            0 => Kind::Amqp,
            1 => Kind::Sasl,
            kind => return Err(FrameError::Kind { kind }),
        };
        let channel = u16::from_be_bytes([head[6], head[7]]);
        Ok(Self { kind, channel, body: bytes.split_off(start) })
    }
}

/// Writes a frame around what `put` writes.
pub fn put_frame(out: &mut Vec<u8>, kind: Kind, channel: u16, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let [high, low] = channel.to_be_bytes();
    out.extend([0, 0, 0, 0, 2, u8::from(kind == Kind::Sasl), high, low]);
    put(out);
    let len = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}
