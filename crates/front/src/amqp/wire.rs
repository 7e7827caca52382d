//! Bytes in and out of one connection, both at the same time: a peer that writes while we do is read.
//!
//! A connection that is idle holds no buffer: bytes are read into one that the thread keeps, and
//! copied into a block of their own size.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use skerry_amqp::connection::unit_length;
use skerry_amqp::frame::FrameError;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Read at once from one connection.
const READ_BYTES_MAX: usize = 64 << 10;
/// A larger buffer for what is sent is not kept.
const OUT_BYTES_KEPT: usize = 1 << 10;
/// How long the last bytes may take.
const FAREWELL: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

pub(super) struct Wire<S> {
    stream: S,
    frame_bytes_max: usize,
    /// The beginning of a frame.
    pending: BytesMut,
    /// So much of what is to be sent is gone.
    sent: usize,
    needs_flush: bool,
}

/// What happened.
pub(super) enum Turn {
    /// Whole headers and frames.
    Units(Bytes),
    /// Something went out.
    Wrote,
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gone {
    #[error("the client closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] FrameError),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, frame_bytes_max: usize) -> Self {
        Self { stream, frame_bytes_max, pending: BytesMut::new(), sent: 0, needs_flush: false }
    }

    /// Sends and reads what it can. Loses nothing when it is dropped.
    pub(super) fn poll_turn(
        &mut self,
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
        may_read: bool,
    ) -> Poll<Result<Turn, Gone>> {
        if self.poll_out(context, out)? {
            return Poll::Ready(Ok(Turn::Wrote));
        }
        if !may_read {
            return Poll::Pending;
        }
        // A mistake that stood behind what was handed over is not waited on.
        unit_length(&self.pending, self.frame_bytes_max).map_err(Gone::from)?;
        loop {
            let units = SCRATCH.with_borrow_mut(|scratch| {
                let len = ready!(self.poll_bytes(scratch, context))?;
                Poll::Ready(self.cut(&scratch[..len]))
            });
            match ready!(units) {
                Ok(units) if units.is_empty() => {}
                units => return Poll::Ready(units.map(Turn::Units)),
            }
        }
    }

    /// Whether something went out.
    fn poll_out(&mut self, context: &mut Context<'_>, out: &mut Vec<u8>) -> Result<bool, Gone> {
        let before = self.sent;
        while self.sent < out.len() {
            match Pin::new(&mut self.stream).poll_write(context, &out[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(Ok(len)) => {
                    self.sent += len;
                    self.needs_flush = true;
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
        }
        let has_gone = self.sent > before;
        if self.sent == out.len() && self.sent > 0 {
            self.sent = 0;
            if out.capacity() > OUT_BYTES_KEPT {
                *out = Vec::new();
            } else {
                out.clear();
            }
        }
        if self.needs_flush {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Ready(Ok(())) => self.needs_flush = false,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {}
            }
        }
        Ok(has_gone)
    }

    /// Reads what there is, up to the scratch's end.
    fn poll_bytes(&mut self, scratch: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        let mut buffer = ReadBuf::new(scratch);
        loop {
            let before = buffer.filled().len();
            let outcome = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            let after = buffer.filled().len();
            match outcome {
                Poll::Ready(Ok(())) if after > before && buffer.remaining() > 0 => {}
                // An end or an error is met again at the next read.
                _ if after > 0 => return Poll::Ready(Ok(after)),
                Poll::Ready(Ok(())) => return Poll::Ready(Err(Gone::Closed)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The whole units that are there with these bytes; the rest waits.
    fn cut(&mut self, bytes: &[u8]) -> Result<Bytes, Gone> {
        if self.pending.is_empty() {
            let whole = whole(bytes, self.frame_bytes_max)?;
            // Room grows with what comes, not with what is announced.
            self.pending.extend_from_slice(&bytes[whole..]);
            return Ok(Bytes::copy_from_slice(&bytes[..whole]));
        }
        self.pending.extend_from_slice(bytes);
        let whole = whole(&self.pending, self.frame_bytes_max)?;
        let units = self.pending.split_to(whole).freeze();
        if self.pending.is_empty() {
            self.pending = BytesMut::new();
        }
        Ok(units)
    }

    /// Says goodbye, as far as the client listens.
    pub(super) async fn close(&mut self, out: &mut Vec<u8>) {
        let farewell = async {
            poll_fn(|context| match self.poll_out(context, out) {
                Ok(_) if self.sent < out.len() || self.needs_flush => Poll::Pending,
                _ => Poll::Ready(()),
            })
            .await;
            self.stream.shutdown().await.ok();
        };
        tokio::time::timeout(FAREWELL, farewell).await.ok();
    }
}

/// How many bytes whole units take, from the beginning on. A mistake behind some is met when they
/// have been dealt with.
fn whole(bytes: &[u8], frame_bytes_max: usize) -> Result<usize, FrameError> {
    let mut at = 0;
    loop {
        match unit_length(&bytes[at..], frame_bytes_max) {
            Ok(Some(len)) if at + len <= bytes.len() => at += len,
            Err(error) if at == 0 => return Err(error),
            _ => return Ok(at),
        }
    }
}
