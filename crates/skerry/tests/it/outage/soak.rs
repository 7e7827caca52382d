//! For as long as it is told: 2,000 messages in a second, and no uplink for a while in each minute. Memory does not
//! grow.

use std::time::Duration;

use skerry_edge_agent::link::Upstream;
use tokio::time::{Instant, sleep, sleep_until};

use super::edge::Edge;
use super::received;
use super::relay::{Relay, Uplink};
use super::sender::Senders;

const PER_SECOND: u64 = 500;
const OUTAGE: Duration = Duration::from_secs(10);
/// Until then caches fill.
const FIRST: u64 = 2;

pub(super) async fn run(minutes: u64, upstream: Upstream) {
    let _relay = Relay::start(upstream).await;
    let mut edge = Edge::new(upstream);
    edge.start().await;
    let senders = Senders::start(&edge.place(Duration::ZERO), &edge.identities, PER_SECOND);
    let began = Instant::now();
    let mut first = None;
    let mut last = 0;
    for minute in 1..=minutes {
        sleep(Duration::from_secs(15)).await;
        let how = if minute % 2 == 0 { Uplink::Refused } else { Uplink::Lost };
        how.begin();
        sleep(OUTAGE).await;
        how.end();
        sleep_until(began + Duration::from_secs(60 * minute)).await;
        let memory = edge.memory();
        let [share, own, all] = [memory.share, memory.own, memory.all].map(|bytes| bytes as f64 / 1e6);
        println!("minute {minute}: PSS {share:.2} MB, {own:.2} of it in no file, RSS {all:.2} MB");
        last = memory.share;
        if minute == FIRST {
            first = Some(memory.share);
        }
    }
    let sent = senders.stop().await;
    let total: u64 = sent.values().sum();
    println!(
        "{total} messages were acknowledged, {:.0} in a second",
        total as f64 / began.elapsed().as_secs_f64()
    );
    let again = received::all(&sent).await;
    println!("all are with the hub, {again} of them came again");
    edge.stop();
    if let Some(first) = first {
        let grown = last as f64 / first as f64 - 1.0;
        assert!(grown <= 0.05, "memory has grown by {:.1} % since minute {FIRST}", grown * 100.0);
    }
}
