//! As much of PostgreSQL's protocol (version 3) as the bench needs: trusted login, statements
//! prepared once, all values binary, any number of requests on their way.

use std::path::Path;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::meter::Trouble;

pub(crate) struct Wire {
    stream: UnixStream,
    out: Vec<u8>,
    received: BytesMut,
    /// Of the answer that is not whole yet.
    partial: Reply,
}

/// The answer to one request.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Values of each row; a null is empty.
    pub(crate) rows: Vec<Vec<Bytes>>,
    /// Such as `UPDATE 1`.
    pub(crate) tag: String,
    failure: Option<String>,
}

impl Reply {
    pub(crate) fn affected(&self) -> u64 {
        self.tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

impl Wire {
    pub(crate) async fn connect(socket: &Path, user: &str) -> Result<Self, Trouble> {
        let stream = UnixStream::connect(socket).await?;
        let mut wire = Self {
            stream,
            out: Vec::with_capacity(1 << 14),
            received: BytesMut::with_capacity(1 << 16),
            partial: Reply::default(),
        };
        let body = format!("user\0{user}\0database\0postgres\0\0");
        wire.out.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
        wire.out.extend_from_slice(&196_608u32.to_be_bytes());
        wire.out.extend_from_slice(body.as_bytes());
        wire.reply().await?;
        Ok(wire)
    }

    /// One statement without values; what it answers is text.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Reply, Trouble> {
        self.message(b'Q', |out| text(out, sql));
        self.reply().await
    }

    pub(crate) async fn prepare(&mut self, name: &str, sql: &str) -> Result<(), Trouble> {
        self.message(b'P', |out| {
            text(out, name);
            text(out, sql);
            out.extend_from_slice(&0u16.to_be_bytes());
        });
        self.message(b'S', |_| ());
        self.reply().await.map(drop)
    }

    /// Queues one transaction; its reply comes in order.
    pub(crate) fn ask(&mut self, statement: &str, values: &[&[u8]]) {
        self.message(b'B', |out| {
            text(out, "");
            text(out, statement);
            // One format for all values: binary.
            out.extend_from_slice(&[0, 1, 0, 1]);
            out.extend_from_slice(&(values.len() as u16).to_be_bytes());
            for value in values {
                out.extend_from_slice(&(value.len() as u32).to_be_bytes());
                out.extend_from_slice(value);
            }
            out.extend_from_slice(&[0, 1, 0, 1]);
        });
        self.message(b'E', |out| {
            text(out, "");
            out.extend_from_slice(&0u32.to_be_bytes());
        });
        self.message(b'S', |_| ());
    }

    /// The next reply. Sends what is queued only when it has to wait, so that requests share
    /// system calls.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Trouble> {
        loop {
            if let Some(reply) = self.parse()? {
                return match reply.failure {
                    Some(failure) => Err(failure.into()),
                    None => Ok(reply),
                };
            }
            if !self.out.is_empty() {
                self.stream.write_all(&self.out).await?;
                self.out.clear();
            }
            self.received.reserve(1 << 15);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("PostgreSQL closed the connection".into());
            }
        }
    }

    /// Begins `COPY … FROM STDIN`; then [`Wire::copy`] any number of times, then [`Wire::copied`].
    pub(crate) async fn begin_copy(&mut self, sql: &str) -> Result<(), Trouble> {
        self.message(b'Q', |out| text(out, sql));
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    pub(crate) async fn copy(&mut self, lines: &[u8]) -> Result<(), Trouble> {
        self.message(b'd', |out| out.extend_from_slice(lines));
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    pub(crate) async fn copied(&mut self) -> Result<(), Trouble> {
        self.message(b'c', |_| ());
        self.reply().await.map(drop)
    }

    fn message(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(kind);
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        body(&mut self.out);
        let length = (self.out.len() - start) as u32;
        self.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Takes messages until one ends a reply; `None` when more has to arrive.
    fn parse(&mut self) -> Result<Option<Reply>, Trouble> {
        while let Some(&[kind, a, b, c, d]) = self.received.get(..5) {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if self.received.len() < 1 + length {
                break;
            }
            let mut body = self.received.split_to(1 + length).freeze();
            body.advance(5);
            match kind {
                b'Z' => return Ok(Some(std::mem::take(&mut self.partial))),
                b'D' => self.partial.rows.push(row(body).ok_or("a row is cut off")?),
                b'C' => {
                    self.partial.tag =
                        String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(&body)).into();
                }
                b'E' => {
                    let text = String::from_utf8_lossy(&body).replace('\0', " ");
                    // A login that fails is followed by nothing.
                    if self.partial.failure.replace(text.clone()).is_some() {
                        return Err(text.into());
                    }
                }
                b'R' if body.as_ref() != [0; 4] => return Err("PostgreSQL asks for a password".into()),
                _ => {}
            }
        }
        Ok(None)
    }
}

fn row(mut body: Bytes) -> Option<Vec<Bytes>> {
    let count = body.try_get_u16().ok()?;
    let mut values = Vec::with_capacity(count.into());
    for _ in 0..count {
        let length = usize::try_from(body.try_get_i32().ok()?).unwrap_or(0);
        values.push((length <= body.len()).then(|| body.split_to(length))?);
    }
    Some(values)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}
