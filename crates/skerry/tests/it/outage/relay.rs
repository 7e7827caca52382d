//! The edge's way to its hub: bytes arrive as late as the test says, and packets get lost or are refused.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use skerry_edge_agent::link::Upstream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::edge::RELAY_PORT;

const BLOCK: usize = 16 << 10;
/// Blocks on their way in one direction.
const BLOCKS: usize = 256;

pub(super) struct Relay {
    delay_ms: Arc<AtomicU64>,
}

impl Relay {
    pub(super) async fn start(upstream: Upstream) -> Self {
        let port = if upstream == Upstream::Mqtt { 8883 } else { 5671 };
        let listener = TcpListener::bind(("127.0.0.1", RELAY_PORT)).await.unwrap();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_ms);
        tokio::spawn(async move {
            loop {
                let Ok((edge, _)) = listener.accept().await else { return };
                let delay = Arc::clone(&delay);
                tokio::spawn(async move {
                    let Ok(hub) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let ((from_edge, to_edge), (from_hub, to_hub)) = (edge.into_split(), hub.into_split());
                    // One that ends ends the other.
                    tokio::select! {
                        () = carry(from_edge, to_hub, &delay) => {}
                        () = carry(from_hub, to_edge, &delay) => {}
                    }
                });
            }
        });
        Self { delay_ms }
    }

    /// Each way.
    pub(super) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Relaxed);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay_ms: &AtomicU64) {
    let (read, mut written) = mpsc::channel::<(Instant, Vec<u8>)>(BLOCKS);
    let reading = async move {
        let mut block = vec![0; BLOCK];
        while let Ok(count) = from.read(&mut block).await {
            let due = Instant::now() + Duration::from_millis(delay_ms.load(Relaxed));
            if count == 0 || read.send((due, block[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, block)) = written.recv().await {
            sleep_until(due).await;
            if to.write_all(&block).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

/// What happens to packets between the edge and the relay.
#[derive(Clone, Copy)]
pub(super) enum Uplink {
    /// Nobody hears of them.
    Lost,
    /// Whoever sent them is told.
    Refused,
}

impl Uplink {
    pub(super) fn begin(self) {
        self.change("-I");
    }

    pub(super) fn end(self) {
        self.change("-D");
    }

    fn change(self, how: &str) {
        let port = RELAY_PORT.to_string();
        let to: &[&str] = match self {
            Self::Lost => &["-j", "DROP"],
            Self::Refused => &["-j", "REJECT", "--reject-with", "tcp-reset"],
        };
        for side in ["--dport", "--sport"] {
            let rule = [&[how, "INPUT", "-p", "tcp", side, &port], to].concat();
            let output = Command::new("iptables").args(rule).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
