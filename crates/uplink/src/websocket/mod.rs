//! The same bytes inside a WebSocket, for where only HTTPS gets through.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skerry_model::Random;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

mod frames;

use frames::{Control, Frames, put_frame};

/// What of an answer's head is read.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Taken into one frame.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// Answers to pings that may wait to be written.
const REPLIES_BYTES_MAX: usize = 4 << 10;
/// By order of the standard.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How to ask for a WebSocket.
#[derive(Clone)]
pub struct Tunnel {
    /// As the server is called.
    pub host: String,
    pub path: String,
    /// Frames of clients are masked with it.
    pub random: Arc<dyn Random>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnel({}{})", self.host, self.path)
    }
}

pub(crate) struct WebSocket<S> {
    inner: S,
    frames: Frames,
    /// Frames that are not written yet.
    out: Vec<u8>,
    written: usize,
    random: Arc<dyn Random>,
    is_over: bool,
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks for one in which `protocol` is spoken; what is wrong with the answer is told.
    pub(crate) async fn open(inner: S, tunnel: &Tunnel, protocol: &str) -> io::Result<Result<Self, String>> {
        let mut key = [0; 16];
        tunnel.random.fill(&mut key);
        let key = STANDARD.encode(key);
        let Tunnel { host, path, random } = tunnel;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        let (frames, out) = (Frames::default(), request.into_bytes());
        let mut socket = Self { inner, frames, out, written: 0, random: Arc::clone(random), is_over: false };
        poll_fn(|cx| socket.poll_out(cx)).await?;
        let head = socket.read_head().await?;
        Ok(check(&head, &key, protocol).map(|()| socket))
    }

    /// Byte by byte, for what comes behind it belongs to the frames. It is short, and comes once.
    async fn read_head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            let mut byte = [0];
            let mut into = ReadBuf::new(&mut byte);
            poll_fn(|cx| Pin::new(&mut self.inner).poll_read(cx, &mut into)).await?;
            if into.filled().is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            head.extend_from_slice(into.filled());
        }
        Ok(head)
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        while into.filled().len() == before && !self.is_over {
            // What is inside is shorter than what is around it.
            let mut space = [const { MaybeUninit::uninit() }; PIECE_BYTES_MAX];
            let room = into.remaining().min(space.len());
            let mut raw = ReadBuf::uninit(&mut space[..room]);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut raw))?;
            if raw.filled().is_empty() {
                break;
            }
            let (out, random, is_over) = (&mut self.out, &self.random, &mut self.is_over);
            let control = |control| match control {
                Control::Ping(payload) if out.len() < REPLIES_BYTES_MAX => {
                    put_frame(out, 0x8a, &payload, mask(random.as_ref()));
                }
                Control::Ping(_) => {}
                Control::Close => *is_over = true,
            };
            self.frames
                .take(raw.filled(), |data| into.put_slice(data), control)
                .map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))?;
            // Answers go out with what is written next, or now where that is possible.
            if !self.out.is_empty()
                && let Poll::Ready(Err(error)) = self.poll_out(cx)
            {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One piece is taken at a time, and whole: it is written by the next call, or flushed.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(cx))?;
        let piece = &bytes[..bytes.len().min(PIECE_BYTES_MAX)];
        put_frame(&mut self.out, 0x82, piece, mask(self.random.as_ref()));
        if let Poll::Ready(Err(error)) = self.poll_out(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(piece.len()))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_over, true) {
            put_frame(&mut self.out, 0x88, &1000_u16.to_be_bytes(), mask(self.random.as_ref()));
        }
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.out[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        (self.out, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

fn mask(random: &dyn Random) -> [u8; 4] {
    let mut mask = [0; 4];
    random.fill(&mut mask);
    mask
}

/// What keeps an answer from being a yes.
fn check(head: &[u8], key: &str, protocol: &str) -> Result<(), String> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(format!("it answers {:?}", status.chars().take(100).collect::<String>()));
    }
    let field = |name: &str| {
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SALT}").as_bytes());
    if field("sec-websocket-accept") != Some(&STANDARD.encode(hash)) {
        return Err("it answers another request than ours".to_owned());
    }
    match field("sec-websocket-protocol") {
        Some(spoken) if spoken.eq_ignore_ascii_case(protocol) => Ok(()),
        spoken => Err(format!("it speaks {spoken:?} instead of {protocol}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_to_our_request_is_one() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let head = |status: &str, accept: &str, protocol: &str| {
            format!(
                "HTTP/1.1 {status}\r\nupgrade: websocket\r\nSec-WebSocket-Accept:{accept}\r\n\
                 sec-websocket-protocol: {protocol}\r\n\r\n"
            )
        };
        let good = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let check = |head: String| check(head.as_bytes(), key, "AMQPWSB10");
        assert_eq!(check(head("101 Switching Protocols", good, "AMQPWSB10")), Ok(()));
        assert!(check(head("400 Bad Request", good, "AMQPWSB10")).unwrap_err().contains("400"));
        assert!(check(head("101 Switching Protocols", "x", "AMQPWSB10")).is_err());
        assert!(check(head("101 Switching Protocols", good, "mqtt")).unwrap_err().contains("mqtt"));
        assert!(check(String::new()).is_err());
    }
}
