//! A WebSocket as a stream of bytes: where messages begin and end means nothing to what is inside.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Frames, Reply, put_close, put_data, put_pong};

/// Read at once, from the stack.
const READ_BYTES_MAX: usize = 8 << 10;
/// Of one frame that is sent.
const FRAME_BYTES_MAX: usize = 64 << 10;
/// Answers to pings that the client does not read; more ends the connection.
const REPLY_BYTES_MAX: usize = 4 << 10;

pub(crate) struct ByteStream<S> {
    stream: S,
    /// What came behind the handshake.
    first: Bytes,
    frames: Frames,
    /// Frames that are not sent yet.
    out: Vec<u8>,
    sent: usize,
    is_closing: bool,
    /// The client said goodbye.
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ByteStream<S> {
    /// The server's side, after the handshake; `first` came behind that.
    pub(crate) fn new(stream: S, first: Bytes) -> Self {
        let (frames, out) = (Frames::default(), Vec::new());
        Self { stream, first, frames, out, sent: 0, is_closing: false, is_over: false }
    }

    /// Takes what came apart; `buffer` has room for all of it.
    fn take(&mut self, bytes: &[u8], buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let (out, is_over, is_closing) = (&mut self.out, &mut self.is_over, &mut self.is_closing);
        let taken = self.frames.take(
            bytes,
            |data| buffer.put_slice(data),
            |reply| match reply {
                Reply::Pong(payload) => put_pong(out, &payload),
                Reply::Close => {
                    *is_over = true;
                    if !std::mem::replace(is_closing, true) {
                        put_close(out);
                    }
                }
            },
        );
        taken.map_err(|violation| io::Error::new(io::ErrorKind::InvalidData, violation))
    }

    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.sent += len,
            }
        }
        self.sent = 0;
        self.out = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ByteStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        while buffer.filled().len() == before && !self.is_over && buffer.remaining() > 0 {
            let room = buffer.remaining().min(READ_BYTES_MAX);
            if self.first.has_remaining() {
                let len = self.first.len().min(room);
                let piece = self.first.split_to(len);
                self.take(&piece, buffer)?;
            } else {
                let mut bytes = [0; READ_BYTES_MAX];
                let mut raw = ReadBuf::new(&mut bytes[..room]);
                ready!(Pin::new(&mut self.stream).poll_read(context, &mut raw))?;
                if raw.filled().is_empty() {
                    break;
                }
                self.take(raw.filled(), buffer)?;
            }
            if self.out.len() > self.sent {
                // A client that pings and does not read is not waited for.
                let flushed = self.poll_out(context)?;
                if flushed.is_pending() && self.out.len() - self.sent > FRAME_BYTES_MAX + REPLY_BYTES_MAX {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                let _flushed = Pin::new(&mut self.stream).poll_flush(context)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ByteStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(context))?;
        if self.is_closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(FRAME_BYTES_MAX);
        put_data(&mut self.out, &bytes[..len]);
        // What does not go out now does so before the next.
        let _sent = self.poll_out(context)?;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_closing, true) {
            put_close(&mut self.out);
        }
        ready!(self.poll_out(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
