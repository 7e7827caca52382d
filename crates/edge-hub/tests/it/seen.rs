//! Letters are with their endpoints before they are durable, and their senders hear of them as soon as either is so.

use std::future::Future;

use serde_json::json;
use skerry_mqtt::topic::Subscription;
use tokio::task::{JoinHandle, yield_now};

use super::sim::{Client, Settling, Syncs, World};

type Publishing = JoinHandle<Result<(), skerry_front::device::PublishRefused>>;

/// What comes to the output `both` goes to two modules, everything else to one of them.
async fn world() -> World {
    let to = |module: &str| format!("INTO BrokeredEndpoint(\"/modules/{module}/inputs/in\")");
    let routes = json!({
        "first": format!("FROM /messages/modules/a/* {}", to("first")),
        "second": format!("FROM /messages/modules/a/outputs/both {}", to("second")),
    });
    let mut world = World::with_routes(&routes).on_files();
    ["edge/a", "edge/first", "edge/second"].into_iter().for_each(|id| world.register(id));
    world.start().await;
    world
}

async fn module(world: &World, id: &str, settling: Settling) -> Client {
    let module = world.connect_as(id, settling).await;
    module.subscribe(&[Subscription::Inputs]).await;
    module
}

/// With one letter through it, so that the log may show what is not durable.
async fn sender(world: &World) -> Client {
    let sender = world.connect("edge/a").await;
    sender.publish_to("one", "0").await.unwrap();
    sender
}

fn publish(sender: &Client, output: &str, body: &str) -> Publishing {
    let publishing = sender.publishing_to(output, body);
    tokio::spawn(publishing)
}

/// Time stands still while the log is at work: it is not waited for by sleeping.
async fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    while !is_so().await {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_its_module_has_settled_is_acknowledged_without_the_disk() {
    let world = world().await;
    let first = module(&world, "edge/first", Settling::Complete).await;
    let sender = sender(&world).await;
    world.plug.set(Syncs::Held);
    for number in 1..100 {
        sender.publish_to("one", &number.to_string()).await.unwrap();
    }
    until(async || first.bodies().len() == 100).await;
    assert_eq!(first.bodies(), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    world.plug.set(Syncs::Done);
}

#[tokio::test(start_paused = true)]
async fn one_endpoint_that_has_not_settled_it_leaves_it_to_the_disk() {
    let world = world().await;
    let first = module(&world, "edge/first", Settling::Complete).await;
    let sender = sender(&world).await;
    world.plug.set(Syncs::Held);
    let publishing = publish(&sender, "both", "1");
    until(async || first.bodies() == ["0", "1"] && world.plug.waiting() > 0).await;
    for _ in 0..1000 {
        yield_now().await;
    }
    assert!(!publishing.is_finished(), "the second module has it nowhere but in memory");
    world.plug.set(Syncs::Done);
    publishing.await.unwrap().unwrap();
    let second = module(&world, "edge/second", Settling::Complete).await;
    world.until("it is there", |_| second.bodies() == ["1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_module_that_keeps_a_letter_leaves_it_to_the_disk() {
    let world = world().await;
    let first = module(&world, "edge/first", Settling::Never).await;
    let sender = world.connect("edge/a").await;
    for number in 0..3 {
        sender.publish_to("one", &number.to_string()).await.unwrap();
    }
    world.until("they are there", |_| first.bodies() == ["0", "1", "2"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_older_and_on_the_disk_goes_first() {
    let world = world().await;
    let sender = sender(&world).await;
    // More than is kept in memory, in records or bytes.
    for first in (0..6000).step_by(1000) {
        sender.publish_batch(first..first + 1000, 1000).await;
    }
    let first = module(&world, "edge/first", Settling::Complete).await;
    for number in 6000..6500 {
        sender.publish(number).await.unwrap();
    }
    world.until("all are there", |world| world.waiting() == 0).await;
    let numbers: Vec<u64> = first.bodies().iter().map(|body| body.trim().parse().unwrap()).collect();
    assert_eq!(numbers[1..], (0..6500).collect::<Vec<u64>>()[..]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_breaks_takes_nothing_that_was_acknowledged_and_says_what_it_could_not_keep() {
    let world = world().await;
    let first = module(&world, "edge/first", Settling::Complete).await;
    let sender = sender(&world).await;
    world.plug.set(Syncs::Held);
    sender.publish_to("one", "1").await.unwrap();
    let publishing = publish(&sender, "both", "2");
    until(async || first.bodies() == ["0", "1", "2"] && world.plug.waiting() > 0).await;
    world.plug.set(Syncs::Failing);
    let refused = publishing.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("may have been delivered"), "{refused}");
    let counted = world.edge().figures().messages_unacknowledged.series();
    assert_eq!(counted.len(), 1, "{counted:?}");
    let (labels, count) = &counted[0];
    assert!(labels.contains("reason=\"storage_failure_after_delivery\"") && *count == 1, "{counted:?}");
    // Nothing is taken that nobody keeps.
    assert!(sender.publish_to("one", "3").await.is_err());
    assert_eq!(first.bodies(), ["0", "1", "2"]);
}

/// What was acknowledged is there after power cuts, whatever was durable: its modules have it, or the log.
#[tokio::test(start_paused = true)]
async fn a_power_cut_between_delivery_and_the_disk_loses_nothing_acknowledged() {
    let mut world = world().await;
    let (mut at_first, mut all, mut acked) = (Vec::new(), 0..0_u64, Vec::new());
    for round in 0..8_u64 {
        let first = module(&world, "edge/first", Settling::Complete).await;
        let sender = sender(&world).await;
        // The sender sends again what was not acknowledged, then what is new.
        let again: Vec<u64> = all.clone().filter(|number| !acked.contains(number)).collect();
        for number in again {
            sender.publish_to("both", &number.to_string()).await.unwrap();
            acked.push(number);
        }
        let is_held_at = all.end + 3 + 5 * (round % 3);
        let mut under_way = Vec::new();
        for number in all.end..all.end + 20 {
            if number == is_held_at {
                world.plug.set(Syncs::Held);
            }
            let publishing = publish(&sender, "both", &number.to_string());
            if number < is_held_at {
                publishing.await.unwrap().unwrap();
                acked.push(number);
            } else {
                under_way.push(publishing);
            }
            all.end = number + 1;
        }
        let last = (all.end - 1).to_string();
        until(async || first.bodies().contains(&last)).await;
        assert!(under_way.iter().all(|publishing| !publishing.is_finished()));
        // This is settled by the only module that wants it, and will be nowhere.
        let settled = format!("settled {round}");
        sender.publish_to("one", &settled).await.unwrap();
        assert_eq!(first.bodies().last(), Some(&settled));
        at_first.extend(first.bodies());
        drop((first, sender));
        under_way.iter().for_each(JoinHandle::abort);
        for publishing in under_way {
            assert!(publishing.await.is_err());
        }
        world.cut_power().await;
        world.start().await;
    }
    let (first, second) = (
        module(&world, "edge/first", Settling::Complete).await,
        module(&world, "edge/second", Settling::Complete).await,
    );
    world.until("nothing waits", |world| world.waiting() == 0).await;
    at_first.extend(first.bodies());
    let second: Vec<u64> = second.bodies().iter().map(|body| body.parse().unwrap()).collect();
    assert!(acked.len() > 100, "{acked:?}");
    for number in &acked {
        assert!(second.contains(number), "{number} was acknowledged, and the second has {second:?}");
        assert!(
            at_first.contains(&number.to_string()),
            "{number} was acknowledged, and the first never had it"
        );
    }
    // Nobody hears a letter that takes the place of one that the cut took.
    let firsts: Vec<u64> = {
        let mut seen = std::collections::BTreeSet::new();
        second.iter().copied().filter(|number| seen.insert(*number)).collect()
    };
    assert!(firsts.is_sorted(), "{firsts:?}");
}
