//! The WebSocket as a stream of bytes.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Frames, Reply, put_close, put_data, put_pong};

/// Read at once, from the stack.
const READ_BYTES_MAX: usize = 8 << 10;
/// Of one frame that is sent.
const FRAME_BYTES_MAX: usize = 64 << 10;
/// Answers to pings that a server does not read; more ends the connection.
const REPLY_BYTES_MAX: usize = 4 << 10;

#[derive(Debug)]
pub(crate) struct ByteStream<S> {
    stream: S,
    /// What came behind the handshake.
    first: BytesMut,
    frames: Frames,
    out: Vec<u8>,
    sent: usize,
    /// The next mask comes of it.
    seed: u64,
    is_closing: bool,
    /// The server said goodbye.
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ByteStream<S> {
    /// After the handshake; `first` came behind that.
    pub(crate) fn new(stream: S, first: BytesMut, nonce: [u8; 16]) -> Self {
        let (low, high) = nonce.split_at(8);
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Self {
            stream,
            first,
            frames: Frames::default(),
            out: Vec::new(),
            sent: 0,
            seed: word(low) ^ word(high).rotate_left(32),
            is_closing: false,
            is_over: false,
        }
    }

    /// Takes what came apart; `into` has room for all of it.
    fn take(&mut self, bytes: &[u8], into: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut replies = Vec::new();
        let taken = self.frames.take(bytes, |data| into.put_slice(data), |reply| replies.push(reply));
        for reply in replies {
            match reply {
                Reply::Pong(payload) => put_pong(&mut self.out, &payload, next_mask(&mut self.seed)),
                Reply::Close => {
                    self.is_over = true;
                    if !std::mem::replace(&mut self.is_closing, true) {
                        put_close(&mut self.out, next_mask(&mut self.seed));
                    }
                }
            }
        }
        taken.map_err(|violation| io::Error::new(io::ErrorKind::InvalidData, violation))
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        while into.filled().len() == before && !self.is_over && into.remaining() > 0 {
            let room = into.remaining().min(READ_BYTES_MAX);
            if self.first.is_empty() {
                let mut space = [const { MaybeUninit::uninit() }; READ_BYTES_MAX];
                let mut raw = ReadBuf::uninit(&mut space[..room]);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut raw))?;
                if raw.filled().is_empty() {
                    break;
                }
                self.take(raw.filled(), into)?;
            } else {
                let piece = self.first.split_to(self.first.len().min(room));
                self.take(&piece, into)?;
            }
            if self.out.len() > self.sent {
                // A server that pings and does not read is not waited for.
                let is_pending = self.poll_out(cx)?.is_pending();
                if is_pending && self.out.len() - self.sent > FRAME_BYTES_MAX + REPLY_BYTES_MAX {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                let _flushed = Pin::new(&mut self.stream).poll_flush(cx)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(cx))?;
        if self.is_closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(FRAME_BYTES_MAX);
        put_data(&mut self.out, &bytes[..len], next_mask(&mut self.seed));
        // What does not go out now does so before the next.
        let _sent = self.poll_out(cx)?;
        Poll::Ready(Ok(len))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_closing, true) {
            put_close(&mut self.out, next_mask(&mut self.seed));
        }
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.sent += len,
            }
        }
        self.sent = 0;
        self.out = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// Masks differ from frame to frame, for whatever lies between that does not know WebSockets; what is
/// secret is so by TLS.
fn next_mask(seed: &mut u64) -> [u8; 4] {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let [a, b, c, d, ..] = (mixed ^ (mixed >> 27)).to_be_bytes();
    [a, b, c, d]
}
