//! TLS over a stream of bytes, for servers. A connection that is idle holds no buffer: bytes are read,
//! decrypted and encrypted in buffers that the thread keeps, and only what cannot go on is copied.
//!
//! ```text
//!  socket ──► thread's buffer ──► records ──► reader, or `plain` where it has no room
//!                └── the beginning of a record: `incoming`
//!  socket ◄── thread's buffer ◄── writer
//!     └── `outgoing`: what the socket did not take, and what the handshake says
//! ```
//!
//! Bounds: `incoming` is less than a record, or than a message of the handshake; `plain` a record, for no
//! more is read than the reader has room for; `outgoing` one write, for nothing is taken while something
//! waits in it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, InsufficientSizeError, UnbufferedStatus,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at once from one connection, as far as the reader has room.
const READ_BYTES_MAX: usize = 64 << 10;
/// Read even if it has less.
const READ_BYTES_MIN: usize = 4 << 10;
/// Encrypted at once for one connection.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// What encryption adds to so many bytes, four records of them, at most.
const OVERHEAD: usize = 4 * 256;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
    static WRITE: RefCell<Vec<u8>> = RefCell::new(vec![0; WRITE_BYTES_MAX + OVERHEAD]);
}

pub(crate) struct TlsStream<S> {
    stream: S,
    session: UnbufferedServerConnection,
    incoming: Vec<u8>,
    plain: BytesMut,
    outgoing: BytesMut,
    /// The client has said that nothing more comes.
    has_ended: bool,
    has_said_goodbye: bool,
    /// Nothing may be asked of the session any more.
    is_broken: bool,
}

impl<S> TlsStream<S> {
    /// The same over another stream below, which goes on where that one was.
    pub(crate) fn over<T>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<TlsStream<T>> {
        let Self { stream, session, incoming, plain, outgoing, has_ended, has_said_goodbye, is_broken } =
            self;
        let stream = change(stream)?;
        Ok(TlsStream { stream, session, incoming, plain, outgoing, has_ended, has_said_goodbye, is_broken })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Done when the client's handshake is.
    pub(crate) async fn accept(config: Arc<ServerConfig>, stream: S) -> io::Result<Self> {
        let session = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut accepted = Self {
            stream,
            session,
            incoming: Vec::new(),
            plain: BytesMut::new(),
            outgoing: BytesMut::new(),
            has_ended: false,
            has_said_goodbye: false,
            is_broken: false,
        };
        poll_fn(|context| accepted.poll_handshake(context)).await?;
        Ok(accepted)
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_send(context);
            if !self.session.is_handshaking() {
                ready!(sent)?;
                return Pin::new(&mut self.stream).poll_flush(context);
            }
            if self.has_ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.poll_receive(context, &mut ReadBuf::new(&mut [])))?;
        }
    }

    /// Reads once, and goes through what is whole.
    fn poll_receive(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // Who waits for us may wait for what could not be sent before.
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            return Poll::Ready(Err(error));
        }
        READ.with_borrow_mut(|buffer| {
            let room = into.remaining().clamp(READ_BYTES_MIN, READ_BYTES_MAX);
            let mut read = ReadBuf::new(&mut buffer[..room]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
            let read = read.filled_mut();
            if read.is_empty() {
                let what = "the client closed the connection without a word in TLS";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
            }
            let mut begun = std::mem::take(&mut self.incoming);
            let bytes = if begun.is_empty() {
                read
            } else {
                begun.extend_from_slice(read);
                &mut begun
            };
            let digested = self.digest(bytes, into).map(|used| self.incoming = bytes[used..].to_vec());
            // Answers of the handshake, or why it ends; the rest goes with the next read or write.
            match self.poll_send(context) {
                Poll::Ready(Err(error)) if digested.is_ok() => Poll::Ready(Err(error)),
                _ => Poll::Ready(digested),
            }
        })
    }

    /// Goes through whole records; so many bytes of them are done with.
    fn digest(&mut self, bytes: &mut [u8], into: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut used = 0;
        // Until it came to a good end.
        self.is_broken = true;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut bytes[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(Ok(record)) = records.next_record() {
                        discard += record.discard;
                        let at_once = record.payload.len().min(into.remaining());
                        into.put_slice(&record.payload[..at_once]);
                        self.plain.extend_from_slice(&record.payload[at_once..]);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.outgoing)?,
                // It keeps its place in `outgoing`.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(state) => {
                    self.has_ended |= matches!(state, ConnectionState::PeerClosed | ConnectionState::Closed);
                    self.is_broken = false;
                    return Ok(used + discard);
                }
                Err(fault) => {
                    self.say_why(&mut bytes[used..])?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
                }
            }
            used += discard;
        }
    }

    /// After a fault there is an alert for the client; nothing else may be asked of the session.
    fn say_why(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        while self.session.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.session.process_tls_records(bytes).state
        {
            encode(&mut data, &mut self.outgoing)?;
        }
        Ok(())
    }

    /// Hands over what waits; done when nothing waits any more.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.outgoing))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.outgoing.advance(sent),
            }
        }
        self.outgoing = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Encrypts with the thread's buffer, and sends what the socket takes; the rest waits. Without
    /// bytes it is the goodbye.
    fn encrypt_and_send(&mut self, context: &mut Context<'_>, bytes: Option<&[u8]>) -> io::Result<()> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // What TLS itself has to say comes first.
        let mut begun = std::mem::take(&mut self.incoming);
        let used = self.digest(&mut begun, &mut ReadBuf::new(&mut []))?;
        begun.drain(..used);
        self.incoming = begun;
        let Ok(ConnectionState::WriteTraffic(mut writing)) =
            self.session.process_tls_records(&mut self.incoming).state
        else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        WRITE.with_borrow_mut(|buffer| {
            let encrypted = match bytes {
                Some(bytes) => writing.encrypt(bytes, buffer),
                None => writing.queue_close_notify(buffer),
            };
            let len = encrypted.map_err(|error| io::Error::other(error.to_string()))?;
            let mut sent = 0;
            // Behind what waits already, if something does.
            while self.outgoing.is_empty() && sent < len {
                match Pin::new(&mut self.stream).poll_write(context, &buffer[sent..len]) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(more)) => sent += more,
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
            self.outgoing.extend_from_slice(&buffer[sent..len]);
            Ok(())
        })
    }

    pub(crate) fn get_ref(&self) -> (&S, &UnbufferedServerConnection) {
        (&self.stream, &self.session)
    }

    /// The stream below, for who has nothing to say in TLS any more.
    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, outgoing: &mut BytesMut) -> io::Result<()> {
    let before = outgoing.len();
    let mut room = 0;
    loop {
        outgoing.resize(before + room, 0);
        match data.encode(&mut outgoing[before..]) {
            Ok(len) => {
                outgoing.truncate(before + len);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) if room == 0 => {
                room = required_size;
            }
            Err(error) => return Err(io::Error::other(error.to_string())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        while this.plain.is_empty() && into.filled().len() == before && !this.has_ended {
            ready!(this.poll_receive(context, into))?;
        }
        let len = this.plain.len().min(into.remaining());
        into.put_slice(&this.plain[..len]);
        this.plain.advance(len);
        if this.plain.is_empty() {
            this.plain = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
        this.encrypt_and_send(context, Some(bytes))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        if !std::mem::replace(&mut this.has_said_goodbye, true) {
            this.encrypt_and_send(context, None)?;
            ready!(this.poll_send(context))?;
        }
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
