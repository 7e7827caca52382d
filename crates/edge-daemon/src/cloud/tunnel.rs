//! Through an HTTP proxy to one place: a connection that is the place's own from then on.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::proxy::Proxy;

/// A proxy's answer to `CONNECT`.
const ANSWER_BYTES_MAX: usize = 8 << 10;

/// `place` is a host with its port. Ends with the connection's own limits; callers have a time of theirs.
pub async fn tunnel(proxy: &Proxy, place: &str) -> Result<TcpStream, String> {
    let failed = |error: std::io::Error| format!("the proxy {}:{}: {error}", proxy.host, proxy.port);
    let mut stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await.map_err(failed)?;
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", authorization.reveal()));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    // Byte by byte: what follows the head belongs to TLS.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == ANSWER_BYTES_MAX {
            return Err(format!("the proxy {}:{} does not speak HTTP", proxy.host, proxy.port));
        }
        head.push(stream.read_u8().await.map_err(failed)?);
    }
    let line = String::from_utf8_lossy(&head);
    let line = line.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(stream),
        _ => Err(format!("the proxy {}:{} refuses: {line}", proxy.host, proxy.port)),
    }
}
