//! The request, and whether its answer is a good one.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::WebSocket;

const PATH: &str = "/$iothub/websocket?iothub-no-client-cert=true";
const PROTOCOL: &str = "mqtt";
/// By order of the standard.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A longer answer is none that a hub gives.
const ANSWER_BYTES_MAX: usize = 8 << 10;

/// Asks, and gives what came behind the answer.
pub(crate) async fn handshake<S>(stream: &mut S, ask: &WebSocket) -> io::Result<BytesMut>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = STANDARD.encode(ask.nonce);
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n",
        ask.host
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = BytesMut::new();
    let end = loop {
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if answer.len() > ANSWER_BYTES_MAX || stream.read_buf(&mut answer).await? == 0 {
            return Err(refused("its answer has no end"));
        }
    };
    let head = answer.split_to(end);
    check(&String::from_utf8_lossy(&head), &key)?;
    Ok(answer)
}

fn check(head: &str, key: &str) -> io::Result<()> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(refused(status));
    }
    let headers: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let has = |name: &str, value: &str| {
        headers
            .iter()
            .any(|(found, text)| found.eq_ignore_ascii_case(name) && text.eq_ignore_ascii_case(value))
    };
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SALT}").as_bytes());
    let accept = STANDARD.encode(hash);
    let is_ours = headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("Sec-WebSocket-Accept") && *value == accept);
    if !is_ours || !has("Upgrade", "websocket") || !has("Sec-WebSocket-Protocol", PROTOCOL) {
        return Err(refused("it is no answer to this request"));
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    let why: String = why.chars().take(200).collect();
    io::Error::other(format!("no WebSocket: {why}"))
}

#[cfg(test)]
mod tests {
    use super::check;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    #[test]
    fn only_the_answer_to_this_request_is_good() {
        let good = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n\
                    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: MQTT\r\n\r\n";
        assert!(check(good, KEY).is_ok());
        for (from, to) in [
            ("101", "200"),
            ("s3pPLMBi", "S3pPLMBi"),
            ("WebSocket", "h2c"),
            ("MQTT", "amqp"),
            ("HTTP/1.1 101", ""),
        ] {
            assert!(check(&good.replacen(from, to, 1), KEY).is_err(), "{from}");
        }
    }
}
