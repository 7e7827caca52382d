//! Through an HTTP proxy: it connects for us, and from then on it carries bytes.

use std::fmt;

use skerry_tokens::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What of an answer's head is read.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// What the proxy at a place's address is asked for.
#[derive(Clone)]
pub struct Relay {
    /// The server, as the proxy finds it.
    pub host: String,
    pub port: u16,
    /// What stands behind `Basic `, where the proxy wants to know who asks.
    pub authorization: Option<Secret>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({}:{})", self.host, self.port)
    }
}

/// A proxy that said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// 0 where it answers something else than HTTP.
    pub(crate) status: u16,
    pub(crate) what: String,
}

impl Relay {
    pub(crate) async fn ask(&self, stream: &mut TcpStream) -> std::io::Result<Result<(), Refusal>> {
        let Self { host, port, authorization } = self;
        // An address of IPv6 has colons of its own.
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = authorization {
            request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", authorization.reveal()));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte, for what comes behind it is the server's. It is short, and comes once.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            head.push(stream.read_u8().await?);
        }
        Ok(judge(&head))
    }
}

fn judge(head: &[u8]) -> Result<(), Refusal> {
    let head = String::from_utf8_lossy(head);
    let line = head.lines().next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    match status {
        Some(200..=299) if head.ends_with("\r\n\r\n") => Ok(()),
        _ => Err(Refusal {
            status: status.unwrap_or_default(),
            what: format!("it answers {:?}", line.chars().take(100).collect::<String>()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for head in ["HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200\r\nVia: a\r\n\r\n"] {
            assert_eq!(judge(head.as_bytes()), Ok(()), "{head:?}");
        }
        for (head, status) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 407),
            ("HTTP/1.1 503 Busy\r\n\r\n", 503),
            ("SSH-2.0-server\r\n\r\n", 0),
            ("HTTP/1.1 200 OK\r\n", 200),
            ("", 0),
        ] {
            assert_eq!(judge(head.as_bytes()).unwrap_err().status, status, "{head:?}");
        }
    }
}
