//! Bytes in and out of one connection.
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
use skerry_mqtt::packet::{Malformed, whole};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Read at once from one connection.
const READ_BYTES_MAX: usize = 64 << 10;
/// Written at once to one connection; a larger buffer is not kept.
const WRITE_BYTES_KEPT: usize = 4 << 10;
/// The first byte of CONNECT.
const CONNECT: u8 = 0x10;
/// How long the last bytes may take.
const FAREWELL: Duration = Duration::from_secs(1);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

pub(super) struct Wire<S> {
    stream: S,
    packet_bytes_max: usize,
    /// The first byte decides whether this is MQTT at all.
    is_first: bool,
    /// The beginning of a packet.
    pending: BytesMut,
    /// It was not looked at alone: it may be wrong, or whole where packets may be longer by now.
    is_unjudged: bool,
    /// To be sent.
    pub(super) out: Vec<u8>,
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gone {
    #[error("the client closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("the first byte is not that of CONNECT")]
    Stranger,
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A write that does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stuck {
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("the client does not read")]
    Late,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Nothing but CONNECT is read at first, in so many bytes.
    pub(super) fn new(stream: S, connect_bytes_max: usize) -> Self {
        let packet_bytes_max = connect_bytes_max;
        let (pending, out) = (BytesMut::new(), Vec::new());
        Self { stream, packet_bytes_max, is_first: true, pending, is_unjudged: false, out }
    }

    /// The client is in: packets may be larger from now on.
    pub(super) fn widen(&mut self, packet_bytes_max: usize) {
        self.packet_bytes_max = packet_bytes_max;
    }

    /// The next whole packets. Loses nothing when it is dropped.
    pub(super) async fn read(&mut self) -> Result<Bytes, Gone> {
        poll_fn(|context| self.poll_block(context)).await
    }

    fn poll_block(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Gone>> {
        loop {
            let block = if self.is_unjudged {
                Poll::Ready(self.cut(&[]))
            } else {
                SCRATCH.with_borrow_mut(|scratch| {
                    let len = ready!(self.poll_bytes(scratch, context))?;
                    Poll::Ready(self.cut(&scratch[..len]))
                })
            };
            match ready!(block) {
                Ok(block) if block.is_empty() => {}
                block => return Poll::Ready(block),
            }
        }
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

    /// The whole packets that are there with these bytes; the rest waits. What is wrong with it is
    /// told when those before it are handled.
    fn cut(&mut self, bytes: &[u8]) -> Result<Bytes, Gone> {
        if std::mem::take(&mut self.is_first) && bytes.first().is_some_and(|first| *first != CONNECT) {
            return Err(Gone::Stranger);
        }
        if self.pending.is_empty() {
            let found = whole(bytes, self.packet_bytes_max)?;
            let (packets, rest) = bytes.split_at(found.bytes);
            // Room grows with what comes, not with what is announced.
            self.pending.extend_from_slice(rest);
            self.is_unjudged = found.bytes > 0 && !rest.is_empty();
            return Ok(Bytes::copy_from_slice(packets));
        }
        self.pending.extend_from_slice(bytes);
        let found = whole(&self.pending, self.packet_bytes_max)?;
        let block = self.pending.split_to(found.bytes).freeze();
        if self.pending.is_empty() {
            self.pending = BytesMut::new();
        }
        self.is_unjudged = found.bytes > 0 && !self.pending.is_empty();
        Ok(block)
    }

    /// Sends what there is to send.
    pub(super) async fn flush(&mut self, timeout: Duration) -> Result<(), Stuck> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        // Mostly the socket takes all of it, and then no timer is needed.
        let at_once = poll_fn(|context| Poll::Ready(self.poll_send(&mut sent, context))).await;
        match at_once {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => {
                let rest = poll_fn(|context| self.poll_send(&mut sent, context));
                // Boxed: a timer is large, and seldom needed.
                Box::pin(tokio::time::timeout(timeout, rest)).await.map_err(|_| Stuck::Late)??;
            }
        }
        self.out.clear();
        if self.out.capacity() > WRITE_BYTES_KEPT {
            self.out = Vec::new();
        }
        Ok(())
    }

    fn poll_send(&mut self, sent: &mut usize, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while *sent < self.out.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.out[*sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => *sent += len,
            }
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Says goodbye, as far as the client listens.
    pub(super) async fn close(&mut self) {
        let farewell = async {
            self.flush(FAREWELL).await.ok();
            self.stream.shutdown().await.ok();
        };
        tokio::time::timeout(FAREWELL, farewell).await.ok();
    }
}
