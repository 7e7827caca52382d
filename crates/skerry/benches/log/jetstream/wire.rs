//! The protocol of NATS, as much of it as the bench needs: lines of text, payloads by length.

use std::net::SocketAddr;

use bytes::{Buf as _, Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::meter::Trouble;

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"bench\",\
     \"version\":\"1\"}\r\nPING\r\n";
/// What a line of the server may be long.
const LINE_MAX: usize = 64 << 10;

pub(crate) struct Wire {
    socket: TcpStream,
    arrived: BytesMut,
    /// Not yet handed to the system.
    leaving: Vec<u8>,
}

/// Something that was published to us.
pub(crate) struct Message {
    pub(crate) subject: Bytes,
    /// Behind its headers, if it has any.
    pub(crate) body: Bytes,
    /// Headers without a body are how the server speaks of itself.
    pub(crate) is_status: bool,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Trouble> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut wire = Self { socket, arrived: BytesMut::with_capacity(1 << 18), leaving: Vec::new() };
        wire.leaving.extend_from_slice(CONNECT.as_bytes());
        wire.flush().await?;
        // Behind the greeting, so that whatever is wrong is told by now.
        loop {
            match wire.line()? {
                Some(line) if line.starts_with(b"PONG") => return Ok(wire),
                Some(line) if line.starts_with(b"-ERR") => return Err(told(&line)),
                Some(_) => {}
                None => wire.more().await?,
            }
        }
    }

    pub(crate) fn subscribe(&mut self, subject: &str, id: u32) {
        self.leaving.extend_from_slice(format!("SUB {subject} {id}\r\n").as_bytes());
    }

    pub(crate) fn publish(&mut self, subject: &str, reply: &str, body: &[u8]) {
        let Self { leaving, .. } = self;
        for part in ["PUB ", subject, " ", reply, if reply.is_empty() { "" } else { " " }] {
            leaving.extend_from_slice(part.as_bytes());
        }
        leaving.extend_from_slice(body.len().to_string().as_bytes());
        leaving.extend_from_slice(b"\r\n");
        leaving.extend_from_slice(body);
        leaving.extend_from_slice(b"\r\n");
    }

    /// The same with headers: lines that end with `\r\n`.
    pub(crate) fn publish_with(&mut self, subject: &str, reply: &str, headers: &str, body: &[u8]) {
        const VERSION: &str = "NATS/1.0\r\n";
        let heads = VERSION.len() + headers.len() + 2;
        let space = if reply.is_empty() { "" } else { " " };
        let line = format!("HPUB {subject} {reply}{space}{heads} {}\r\n", heads + body.len());
        for part in [&line, VERSION, headers, "\r\n"] {
            self.leaving.extend_from_slice(part.as_bytes());
        }
        self.leaving.extend_from_slice(body);
        self.leaving.extend_from_slice(b"\r\n");
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Trouble> {
        self.socket.write_all(&self.leaving).await?;
        self.leaving.clear();
        Ok(())
    }

    /// Waits for more bytes. Nothing is lost when this is not waited for to the end.
    pub(crate) async fn more(&mut self) -> Result<(), Trouble> {
        self.arrived.reserve(1 << 16);
        match self.socket.read_buf(&mut self.arrived).await? {
            0 => Err("nats-server closed the connection".into()),
            _ => Ok(()),
        }
    }

    /// The next message that has arrived as a whole.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Trouble> {
        loop {
            let Some(end) = end_of_line(&self.arrived)? else { return Ok(None) };
            let line = &self.arrived[..end];
            let has_headers = line.starts_with(b"HMSG ");
            if !has_headers && !line.starts_with(b"MSG ") {
                let line = self.line()?.unwrap_or_default();
                match &line[..line.len().min(4)] {
                    b"PING" => self.leaving.extend_from_slice(b"PONG\r\n"),
                    b"-ERR" => return Err(told(&line)),
                    _ => {}
                }
                continue;
            }
            let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let number = |word: Option<&&[u8]>| {
                let text = word.and_then(|word| std::str::from_utf8(word).ok());
                text.and_then(|text| text.parse::<usize>().ok()).ok_or("nats-server: a length is missing")
            };
            let length = number(words.last())?;
            let heads = if has_headers { number(words.get(words.len() - 2))? } else { 0 };
            let subject_length = words.get(1).map_or(0, |word| word.len());
            if self.arrived.len() < end + 2 + length + 2 {
                return Ok(None);
            }
            let mut line = self.arrived.split_to(end + 2).freeze();
            let kind = if has_headers { "HMSG " } else { "MSG " }.len();
            let subject = line.split_off(kind).split_to(subject_length);
            let body = self.arrived.split_to(length).freeze().split_off(heads.min(length));
            self.arrived.advance(2);
            return Ok(Some(Message { subject, is_status: has_headers && body.is_empty(), body }));
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<Option<Bytes>, Trouble> {
        let Some(end) = end_of_line(&self.arrived)? else { return Ok(None) };
        let line = self.arrived.split_to(end).freeze();
        self.arrived.advance(2);
        Ok(Some(line))
    }

    /// Asks the server something; nothing else may be under way on this connection.
    pub(crate) async fn ask(&mut self, subject: &str, question: &Value) -> Result<Value, Trouble> {
        const INBOX: &str = "_INBOX.ask";
        const ID: u32 = 9;
        self.subscribe(INBOX, ID);
        self.publish(subject, INBOX, question.to_string().as_bytes());
        self.leaving.extend_from_slice(format!("UNSUB {ID} 1\r\n").as_bytes());
        self.flush().await?;
        let answer = loop {
            match self.next()? {
                Some(message) if message.is_status => return Err("JetStream does not answer".into()),
                Some(message) => break message.body,
                None => self.more().await?,
            }
        };
        let answer: Value = serde_json::from_slice(&answer)?;
        match answer.get("error") {
            Some(error) => Err(format!("JetStream refused {subject}: {error}").into()),
            None => Ok(answer),
        }
    }
}

fn end_of_line(bytes: &[u8]) -> Result<Option<usize>, Trouble> {
    let window = &bytes[..bytes.len().min(LINE_MAX)];
    match window.iter().position(|byte| *byte == b'\r') {
        Some(end) if end + 1 < bytes.len() => Ok(Some(end)),
        None if bytes.len() > LINE_MAX => Err("nats-server sent a line without an end".into()),
        _ => Ok(None),
    }
}

fn told(line: &[u8]) -> Trouble {
    format!("nats-server: {}", String::from_utf8_lossy(line)).into()
}
