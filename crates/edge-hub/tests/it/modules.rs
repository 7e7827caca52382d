//! Letters for modules: in order over every reconnect, and as the module settles them.

use std::time::Duration;

use serde_json::json;
use skerry_front::device::CloseReason;
use skerry_mqtt::topic::Subscription;
use tokio::time::sleep;

use super::sim::{Settling, World};

async fn world() -> World {
    let mut world = World::with_routes(
        &json!({"in": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/m/inputs/in\")"}),
    );
    world.register("a");
    world.register("edge/m");
    world.start().await;
    world
}

fn numbers(bodies: &[String]) -> Vec<u64> {
    bodies.iter().map(|body| body.parse().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_module_that_comes_again_gets_what_it_had_not_settled_first() {
    let world = world().await;
    let leaf = world.connect("a").await;
    leaf.publish_all(0..500).await;
    for is_superseded in [false, true, false, true] {
        let module = world.connect_as("edge/m", Settling::Never).await;
        module.subscribe(&[Subscription::Inputs]).await;
        world.until("a window is out", |_| module.letters().len() == 128).await;
        assert_eq!(numbers(&module.bodies()), (0..128).collect::<Vec<u64>>());
        if is_superseded {
            let next = world.connect_as("edge/m", Settling::Never).await;
            next.subscribe(&[Subscription::Inputs]).await;
            world.until("the window is out again", |_| next.letters().len() == 128).await;
            assert_eq!(numbers(&next.bodies()), (0..128).collect::<Vec<u64>>());
            assert_eq!(module.closed(), Some(CloseReason::Superseded));
        }
    }
    let module = world.connect("edge/m").await;
    module.subscribe(&[Subscription::Inputs]).await;
    leaf.publish_all(500..520).await;
    world.until("all are there", |world| world.waiting() == 0).await;
    assert_eq!(numbers(&module.bodies()), (0..520).collect::<Vec<u64>>());
    assert!(module.letters().iter().all(|(input, from, _)| input == "in" && from == "a"));
}

#[tokio::test(start_paused = true)]
async fn a_module_that_goes_in_the_middle_of_its_window_loses_nothing() {
    let world = world().await;
    let leaf = world.connect("a").await;
    let sender = tokio::spawn(async move {
        for number in 0..2000 {
            leaf.publish(number).await.unwrap();
            sleep(Duration::from_millis(3)).await;
        }
    });
    let mut seen: Vec<u64> = Vec::new();
    for turn in 0..30 {
        let module = world.connect("edge/m").await;
        module.subscribe(&[Subscription::Inputs]).await;
        sleep(Duration::from_millis(50 + 13 * turn)).await;
        seen.extend(numbers(&module.bodies()));
    }
    sender.await.unwrap();
    let module = world.connect("edge/m").await;
    module.subscribe(&[Subscription::Inputs]).await;
    world.until("all are there", |world| world.waiting() == 0).await;
    seen.extend(numbers(&module.bodies()));
    let mut next = 0;
    for number in &seen {
        assert!(*number <= next, "{number} came before {next}");
        next = next.max(number + 1);
    }
    assert_eq!(next, 2000);
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_comes_again_and_what_is_rejected_does_not() {
    let world = world().await;
    let leaf = world.connect("a").await;
    leaf.publish_all(0..3).await;
    let module = world.connect_as("edge/m", Settling::Abandon(2)).await;
    module.subscribe(&[Subscription::Inputs]).await;
    world.until("all are settled", |world| world.waiting() == 0).await;
    let mut came = numbers(&module.bodies());
    came.sort_unstable();
    assert_eq!(came, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let module = world.connect_as("edge/m", Settling::RejectOdd).await;
    module.subscribe(&[Subscription::Inputs]).await;
    leaf.publish_all(3..9).await;
    world.until("all are settled", |world| world.waiting() == 0).await;
    assert_eq!(numbers(&module.bodies()), [3, 4, 5, 6, 7, 8]);
    let dropped = world.edge().figures().messages_dropped.series();
    assert_eq!(dropped.len(), 1);
    assert!(dropped[0].0.contains("rejected") && dropped[0].1 == 3, "{dropped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_module_that_listens_late_gets_everything() {
    let world = world().await;
    let leaf = world.connect("a").await;
    let module = world.connect("edge/m").await;
    leaf.publish_all(0..300).await;
    sleep(Duration::from_secs(300)).await;
    assert!(module.letters().is_empty());
    module.subscribe(&[Subscription::Inputs]).await;
    world.until("all are there", |world| world.waiting() == 0).await;
    assert_eq!(numbers(&module.bodies()), (0..300).collect::<Vec<u64>>());
}
