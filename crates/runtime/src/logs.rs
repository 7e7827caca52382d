//! What containers write: asked for, streamed, and taken out of the engine's frames.
//!
//! A frame is eight bytes (which stream, three zeros, the length as four bytes, big end first) and
//! that many bytes of text. Containers with a terminal write without frames.

use bytes::{Buf as _, Bytes, BytesMut};
use skerry_model::Timestamp;

use crate::{Answer, EngineError};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// So many lines from the end; all without it.
    pub tail: Option<u64>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Goes on with what is written from now on, until the stream is dropped.
    pub follow: bool,
    /// Puts the time before each line.
    pub timestamps: bool,
}

/// Pieces of a stream as they come; dropping it ends the stream.
pub type LogStream = Box<dyn Pieces>;

pub trait Pieces: Send {
    /// The next piece, or `None` at the end. May be dropped and called again.
    fn next(&mut self) -> Answer<'_, Option<Bytes>, EngineError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Input,
    Output,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFrame {
    pub stream: Stream,
    pub text: Bytes,
}

const HEADER_BYTES: usize = 8;
/// A longer frame comes in parts.
const FRAME_BYTES_MAX: usize = 64 << 10;

/// Takes frames out of pieces, wherever those are cut.
#[derive(Debug, Default)]
pub struct LogFrames {
    input: BytesMut,
    /// Of the frame that has begun.
    open: Option<(Stream, usize)>,
    is_framed: Option<bool>,
}

impl LogFrames {
    pub fn push(&mut self, piece: &[u8]) {
        self.input.extend_from_slice(piece);
    }

    /// The next frame that has come whole, or a part of a long one.
    pub fn next_frame(&mut self) -> Option<LogFrame> {
        loop {
            if let Some((stream, left)) = self.open {
                let wanted = left.min(FRAME_BYTES_MAX);
                if self.input.len() < wanted {
                    return None;
                }
                let text = self.input.split_to(wanted).freeze();
                self.open = (left > wanted).then_some((stream, left - wanted));
                return Some(LogFrame { stream, text });
            }
            if self.input.is_empty() {
                return None;
            }
            if !*self.is_framed.get_or_insert(self.input[0] <= 2) {
                return Some(LogFrame { stream: Stream::Output, text: self.input.split().freeze() });
            }
            if self.input.len() < HEADER_BYTES {
                return None;
            }
            let stream = match self.input[0] {
                0 => Stream::Input,
                2 => Stream::Error,
                _ => Stream::Output,
            };
            self.input.advance(4);
            let length = self.input.get_u32() as usize;
            self.open = (length > 0).then_some((stream, length));
        }
    }
}

impl LogFrame {
    /// As the engine writes it.
    pub fn encode(&self) -> Bytes {
        let stream = match self.stream {
            Stream::Input => 0,
            Stream::Output => 1,
            Stream::Error => 2,
        };
        let length = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + self.text.len());
        bytes.extend_from_slice(&[stream, 0, 0, 0]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&self.text);
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: Stream, text: &[u8]) -> LogFrame {
        LogFrame { stream, text: Bytes::copy_from_slice(text) }
    }

    #[test]
    fn frames_are_whole_wherever_the_pieces_are_cut() {
        let sent =
            [frame(Stream::Output, b"one\n"), frame(Stream::Error, b"two\n"), frame(Stream::Output, b"")];
        let bytes: Vec<u8> = sent.iter().flat_map(|frame| frame.encode().to_vec()).collect();
        for cut in 0..=bytes.len() {
            let mut frames = LogFrames::default();
            let mut found = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                frames.push(piece);
                while let Some(frame) = frames.next_frame() {
                    found.push(frame);
                }
            }
            assert_eq!(found, sent[..2], "{cut}");
        }
    }

    #[test]
    fn a_long_frame_comes_in_parts() {
        let mut frames = LogFrames::default();
        frames.push(&frame(Stream::Error, &vec![b'x'; FRAME_BYTES_MAX * 2 + 1]).encode());
        let lengths: Vec<usize> = std::iter::from_fn(|| frames.next_frame()).map(|f| f.text.len()).collect();
        assert_eq!(lengths, [FRAME_BYTES_MAX, FRAME_BYTES_MAX, 1]);
    }

    #[test]
    fn a_terminal_writes_without_frames() {
        let mut frames = LogFrames::default();
        frames.push(b"hello\r\n");
        assert_eq!(frames.next_frame(), Some(frame(Stream::Output, b"hello\r\n")));
        frames.push(&[1, 0, 0, 0]);
        assert_eq!(frames.next_frame(), Some(frame(Stream::Output, &[1, 0, 0, 0])));
        assert_eq!(frames.next_frame(), None);
    }
}
