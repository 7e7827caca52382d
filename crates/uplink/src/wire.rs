//! Bytes to and from one server; without a buffer while there is nothing.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::Error;
use crate::link::Link;

/// Read at once; it lies on the stack, so that who waits holds nothing.
const READ_BYTES: usize = 16 << 10;
/// What may wait to be written before nothing more is taken.
pub(crate) const OUT_BYTES_MAX: usize = 1 << 20;
/// A buffer that is larger is given back when it is empty.
const OUT_BYTES_KEPT: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Wire {
    link: Link,
    /// What came and was not understood yet.
    pub(crate) input: BytesMut,
    written: usize,
    /// Whether the link may still hold back what was written to it.
    is_flushed: bool,
}

impl Wire {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, input: BytesMut::new(), written: 0, is_flushed: true }
    }

    /// Whether more may be added to what waits in `out`.
    pub(crate) fn has_room(&self, out: &[u8]) -> bool {
        out.len() - self.written < OUT_BYTES_MAX
    }

    /// Gives back what an idle connection does not need.
    pub(crate) fn rest(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Reads what has come; an end of the stream is an error.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut into = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.link).poll_read(cx, &mut into)).map_err(Error::Broken)?;
        if into.filled().is_empty() {
            return Poll::Ready(Err(Error::Closed));
        }
        self.input.extend_from_slice(into.filled());
        Poll::Ready(Ok(()))
    }

    /// Ready when everything is written and `out` empty.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<(), Error>> {
        while self.written < out.len() {
            let written = ready!(Pin::new(&mut self.link).poll_write(cx, &out[self.written..]))
                .map_err(Error::Broken)?;
            if written == 0 {
                return Poll::Ready(Err(Error::Closed));
            }
            self.written += written;
            self.is_flushed = false;
        }
        out.clear();
        self.written = 0;
        if out.capacity() > OUT_BYTES_KEPT {
            *out = Vec::new();
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.link).poll_flush(cx)).map_err(Error::Broken)?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.link).poll_shutdown(cx).map_err(Error::Broken)
    }
}
