//! What waits takes disk, and not memory.

use std::time::Duration;

use tokio::time::sleep;

use super::sim::World;

const BATCH: u64 = 1000;
const BODY: usize = 100;

/// A longer run says so.
#[allow(clippy::disallowed_methods, reason = "how long a test runs is said in the environment")]
fn letters() -> u64 {
    std::env::var("SKERRY_TEST_BACKLOG").map_or(200_000, |count| count.parse().unwrap())
}

/// Bytes that this process holds.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_is_on_the_disk() {
    let count = letters();
    let mut world = World::new().on_files();
    world.register("a");
    world.hub.counts();
    world.hub.acknowledge(super::sim::Acks::After(Duration::ZERO));
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    client.publish_batch(0..BATCH, BODY).await;
    let before = held();
    for first in (BATCH..count).step_by(BATCH as usize) {
        client.publish_batch(first..first + BATCH, BODY).await;
    }
    let full = held();
    drop(client);
    world.stop().await;
    world.start().await;
    let opened = held();
    world.hub.come_back();
    while world.hub.counted() < count {
        sleep(Duration::from_secs(1)).await;
    }
    let after = held();
    let mb = |bytes: u64| bytes / 1_000_000;
    println!(
        "{count} letters; MB held: {} before, {} with all, {} opened anew, {} after",
        mb(before),
        mb(full),
        mb(opened),
        mb(after)
    );
    for held in [full, opened, after] {
        assert!(held < before + (64 << 20), "{} MB are held", mb(held));
    }
}
