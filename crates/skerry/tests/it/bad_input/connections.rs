//! Connections that are opened and then nothing, or nearly nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::{PEAK_BYTES_MAX, assert_peak, fill};
use crate::client::{Client, read_all};
use crate::process::Hub;

const HALF_OPEN: usize = 3000;

/// How long a good client may wait beside the bad ones, on a machine that does other things, too.
const SERVED_WITHIN: Duration = Duration::from_secs(3);

async fn assert_served(client: &Client, times: usize) {
    for _ in 0..times {
        let asked = Instant::now();
        assert_eq!(client.send("GET", "/devices/d1", &[], "").await.status, 200);
        let took = asked.elapsed();
        assert!(took <= SERVED_WITHIN, "a good client waited for {took:?}");
    }
}

/// This process needs a socket for each; what a machine allows at most is enough, its default is not.
fn allow_many_files() {
    let pid = std::process::id().to_string();
    let limit = Command::new("prlimit").args(["--pid", &pid, "--nofile=8192:"]).output().unwrap();
    assert!(
        limit.status.success(),
        "8192 open files are not allowed, raise the hard limit: {}",
        String::from_utf8_lossy(&limit.stderr)
    );
}

#[tokio::test]
async fn half_open_connections_keep_nobody_out() {
    // Before the hub starts, which inherits the limit.
    allow_many_files();
    let mut hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    let mut silent = Vec::new();
    for number in 0..HALF_OPEN {
        let mut stream = client.connect_without_tls().await.unwrap();
        if number % 2 == 0 {
            // The beginning of a handshake, so that TLS has begun to work on it.
            drop(stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await);
        }
        silent.push(stream);
        if number % 500 == 499 {
            assert_served(&client, 3).await;
        }
    }
    assert_served(&client, 20).await;
    hub.assert_up();
    assert_peak(&hub, PEAK_BYTES_MAX);
    drop(silent);
    assert_eq!(client.registry().await, before);
    hub.stop();
}

#[tokio::test]
async fn slow_heads_are_ended_and_delay_nobody() {
    const SLOW: usize = 100;
    let hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    let mut slow = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for _ in 0..SLOW {
        let mut stream = client.connect().await.unwrap();
        slow.spawn(async move {
            // A byte now and then, each of them progress.
            for byte in b"GET /devices HTTP/1.1\r\nhost: hub1.skerry.test\r\nx-slow: yes\r\n" {
                let written = async {
                    stream.write_all(&[*byte]).await?;
                    stream.flush().await
                };
                if written.await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            read_all(&mut stream).await
        });
    }
    assert_served(&client, 20).await;
    while let Some(answer) = slow.join_next().await {
        assert!(!answer.unwrap().contains(" 200 "), "half a head was answered");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(25), "slow heads were let go on for {took:?}");
    assert_served(&client, 3).await;
    assert_eq!(client.registry().await, before);
    assert_peak(&hub, PEAK_BYTES_MAX);
    hub.stop();
}
