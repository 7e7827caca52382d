//! An edge under load whose uplink, hub and own process fail: every message that it acknowledged reaches the hub,
//! in the order of its sender.
//!
//! ```text
//!  senders ──► edge (127.0.0.2:8883) ──► relay (127.0.0.1:18883, late, cut) ──► hub (127.0.0.1:8883, or 5671)
//! ```
//!
//! The test runs itself once more inside of a world of its own. There `SKERRY_TEST_SOAK_MINUTES` makes another
//! thing of it: `cargo xtask soak`.

mod edge;
mod received;
mod relay;
mod renewal;
mod sender;
mod soak;

use std::time::Duration;

use skerry_edge_agent::link::Upstream;
use tokio::time::sleep;

use crate::world;
use edge::Edge;
use relay::{Relay, Uplink};
use sender::Senders;

const MINUTES: &str = "SKERRY_TEST_SOAK_MINUTES";

#[test]
fn what_an_edge_acknowledged_reaches_the_hub_whatever_fails() {
    outage("what_an_edge_acknowledged_reaches_the_hub_whatever_fails", Upstream::Mqtt);
}

#[test]
fn what_an_edge_acknowledged_reaches_the_hub_whatever_fails_over_amqp() {
    outage("what_an_edge_acknowledged_reaches_the_hub_whatever_fails_over_amqp", Upstream::Amqp);
}

fn outage(name: &str, upstream: Upstream) {
    if std::env::var_os("WORLD").is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let minutes = std::env::var(MINUTES).ok().map(|minutes| minutes.parse().unwrap());
        match minutes {
            Some(minutes) => runtime.block_on(soak::run(minutes, upstream)),
            None => runtime.block_on(everything_fails(upstream)),
        }
        return;
    }
    let minutes: u64 = std::env::var(MINUTES).map_or(0, |minutes| minutes.parse().unwrap());
    in_a_world(&format!("outage::{name}"), 240 + minutes * 90);
}

/// Runs a test of this program once more, beside a hub.
fn in_a_world(name: &str, seconds: u64) {
    let own = std::env::current_exe().unwrap();
    let command = [own.to_str().unwrap(), "--exact", name, "--nocapture"];
    world::run(&command, &[("WORLD_SECONDS", seconds.to_string().as_str())], &std::env::temp_dir());
}

async fn everything_fails(upstream: Upstream) {
    let relay = Relay::start(upstream).await;
    let mut edge = Edge::new(upstream);
    edge.start().await;
    let senders = Senders::start(&edge.place(Duration::ZERO), &edge.identities, 100);
    sleep(Duration::from_secs(1)).await;

    relay.delay(Duration::from_millis(150));
    sleep(Duration::from_secs(3)).await;
    Uplink::Lost.begin();
    sleep(Duration::from_secs(4)).await;
    Uplink::Lost.end();
    sleep(Duration::from_secs(1)).await;
    for turn in 0..5 {
        Uplink::Refused.begin();
        sleep(Duration::from_millis(200 + 130 * turn)).await;
        Uplink::Refused.end();
        sleep(Duration::from_millis(700 - 110 * turn)).await;
    }
    relay.delay(Duration::ZERO);
    edge::hub("restart");
    sleep(Duration::from_secs(1)).await;
    for pause in [1200, 300] {
        edge.kill();
        edge.start().await;
        sleep(Duration::from_millis(pause)).await;
    }
    // It begins without its hub, and dies once more before it sees it.
    Uplink::Refused.begin();
    for _ in 0..2 {
        sleep(Duration::from_millis(900)).await;
        edge.kill();
        edge.start().await;
    }
    sleep(Duration::from_secs(1)).await;
    Uplink::Refused.end();

    let sent = senders.stop().await;
    assert!(sent.values().all(|count| *count > 300), "{sent:?}");
    let again = received::all(&sent).await;
    println!("{sent:?} were sent, {again} of them came again");
    // What was under way when the link broke or the process died, and what was settled and not noted.
    assert!(again <= 13 * (512 + 256) + 4 * 100 * 5, "{again} came again");
    edge.stop();
}
