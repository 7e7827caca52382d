//! Bodies that are larger than anything the hub would want.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{MIB, PEAK_BYTES_MAX, assert_peak, fill};
use crate::client::Client;
use crate::process::Hub;

const LARGE: u64 = 100 * MIB;

/// What may be sent before the refusal is there: what kernel and TLS buffer on the way, and what the
/// hub throws away so that the client gets to read the refusal.
const SENT_BYTES_MAX: u64 = 16 * MIB;

/// Sends until the hub has answered or closed; gives the answer and how much was taken.
async fn push(client: &Client, head: String, piece: &[u8]) -> (String, u64) {
    let (mut reader, mut writer) = tokio::io::split(client.connect().await.unwrap());
    let sending = tokio::spawn({
        let piece = piece.to_vec();
        async move {
            let mut sent = 0;
            if writer.write_all(head.as_bytes()).await.is_err() {
                return sent;
            }
            while sent < LARGE && writer.write_all(&piece).await.is_ok() && writer.flush().await.is_ok() {
                sent += piece.len() as u64;
            }
            sent
        }
    });
    let mut answer = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(read) = reader.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    drop(reader);
    (String::from_utf8_lossy(&answer).into_owned(), sending.await.unwrap())
}

fn head(client: &Client, path: &str, how: &str) -> String {
    format!(
        "POST {path}?api-version=2021-04-12 HTTP/1.1\r\nhost: hub1.skerry.test\r\nauthorization: {}\r\n\
         content-type: application/json\r\n{how}\r\n\r\n",
        client.token
    )
}

#[track_caller]
fn assert_too_large(answer: &str, what: &str) {
    assert!(answer.starts_with("HTTP/1.1 413 "), "{what}: {answer}");
    assert!(answer.contains("iothub-errorcode: MessageTooLarge\r\n"), "{what}: {answer}");
    assert!(answer.contains("ErrorCode:MessageTooLarge;"), "{what}: {answer}");
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_early() {
    let hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    for path in ["/devices/query", "/devices"] {
        let announced = head(&client, path, &format!("content-length: {LARGE}"));
        let (answer, sent) = push(&client, announced, &[b' '; 64 * 1024]).await;
        assert_too_large(&answer, "announced");
        assert!(sent <= SENT_BYTES_MAX, "{sent} bytes were taken of an announced body");

        let chunk = [b"10000\r\n".as_slice(), &[b' '; 64 * 1024], b"\r\n"].concat();
        let chunked = head(&client, path, "transfer-encoding: chunked");
        let (answer, sent) = push(&client, chunked, &chunk).await;
        assert_too_large(&answer, "chunked");
        assert!(sent <= SENT_BYTES_MAX + 8 * MIB, "{sent} bytes were taken of a body without a length");
    }
    assert_eq!(client.registry().await, before);
    assert_peak(&hub, PEAK_BYTES_MAX);
    hub.stop();
}

/// Bodies that fit one by one, but not all together: those who come too late wait or are told so.
#[tokio::test]
async fn many_large_bodies_share_one_budget() {
    const CLIENTS: usize = 150;
    let hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    let blanks = " ".repeat(2_000_000);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, body) = (client.clone(), bytes::Bytes::from(blanks.clone().into_bytes()));
        running.spawn(async move { client.send("PATCH", "/twins/d1", &[], body).await });
    }
    while let Some(answer) = running.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            400 => answer.assert_refused(400, "IotHubFormatError", "blanks"),
            _ => answer.assert_refused(503, "ServiceUnavailable", "no room"),
        }
    }
    assert_eq!(client.registry().await, before);
    // 128 MiB for bodies, and what the allocator keeps between them.
    assert_peak(&hub, PEAK_BYTES_MAX + 192 * MIB);
    hub.stop();
}
