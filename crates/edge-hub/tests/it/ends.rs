//! Letters count for as long as their route says, by the edge's own clock and by nothing else.

use std::time::Duration;

use serde_json::json;
use skerry_model::Clock as _;
use tokio::time::sleep;

use super::sim::World;

fn an_hour() -> World {
    let mut world = World::with_routes(
        &json!({"up": {"route": "FROM /messages/* INTO $upstream", "timeToLiveSecs": 3600}}),
    );
    world.register("a");
    world
}

fn expired(world: &World) -> u64 {
    let dropped = world.edge().figures().messages_dropped.series();
    dropped.iter().filter(|(labels, _)| labels.contains("ttl_expiry")).map(|(_, count)| count).sum()
}

#[tokio::test(start_paused = true)]
async fn letters_end_after_their_time_though_nobody_takes_them() {
    let mut world = an_hour();
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    sleep(Duration::from_secs(10)).await;
    client.publish_all(0..1000).await;
    sleep(Duration::from_secs(1800)).await;
    client.publish_all(1000..1100).await;
    assert_eq!((expired(&world), world.waiting()), (0, 1100));
    sleep(Duration::from_secs(1980)).await;
    assert_eq!((expired(&world), world.waiting()), (1000, 100));
    world.hub.come_back();
    world.until("the others are there", |world| world.waiting() == 0).await;
    let numbers: Vec<u64> = world.hub.letters("a").iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!(numbers, (1000..1100).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_when_the_link_broke_ends_too() {
    let mut world = an_hour();
    world.start().await;
    let client = world.connect("a").await;
    world.hub.acknowledge(super::sim::Acks::Swallowed);
    client.publish_all(0..600).await;
    world.hub.go_away();
    sleep(Duration::from_secs(3700)).await;
    assert_eq!((expired(&world), world.waiting()), (600, 0));
    world.hub.acknowledge(super::sim::Acks::After(Duration::from_millis(5)));
    world.hub.come_back();
    client.publish(600).await.unwrap();
    world.until("the new one is there", |world| world.hub.count("a") == 1).await;
    assert_eq!(world.hub.letters("a"), ["600"]);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_by_fifty_years_ends_nothing_early() {
    let fifty_years = Duration::from_secs(50 * 365 * 24 * 3600);
    let mut world = an_hour();
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    client.publish_all(0..50).await;
    sleep(Duration::from_secs(1000)).await;
    let now = world.clock.now();
    world.clock.set(now.plus(fifty_years));
    sleep(Duration::from_secs(500)).await;
    drop(client);
    world.kill().await;
    world.clock.set("1990-01-01T00:00:00Z".parse().unwrap());
    world.start().await;
    sleep(Duration::from_secs(1000)).await;
    assert_eq!((expired(&world), world.waiting()), (0, 50));
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", 50, 0);
}

#[tokio::test(start_paused = true)]
async fn the_clock_goes_on_while_the_process_is_away_and_stands_while_the_machine_is_off() {
    let mut world = an_hour();
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    client.publish_all(0..10).await;
    sleep(Duration::from_secs(120)).await;
    drop(client);
    world.stop().await;
    sleep(Duration::from_secs(1800)).await;
    // The machine is off for a day, which nobody can know.
    world.machine.reboot();
    world.start().await;
    sleep(Duration::from_secs(1200)).await;
    let client = world.connect("a").await;
    client.publish_all(10..20).await;
    drop(client);
    world.kill().await;
    sleep(Duration::from_secs(1000)).await;
    world.start().await;
    sleep(Duration::from_secs(700)).await;
    assert_eq!((expired(&world), world.waiting()), (0, 20));
    sleep(Duration::from_secs(700)).await;
    assert_eq!((expired(&world), world.waiting()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn what_waits_apart_ends_as_well() {
    let mut world = an_hour();
    world.hub.bar("a");
    world.start().await;
    let client = world.connect("a").await;
    client.publish_all(0..20).await;
    sleep(Duration::from_secs(3000)).await;
    client.publish_all(20..40).await;
    sleep(Duration::from_secs(1200)).await;
    world.hub.let_in("a");
    world.until("everything is gone", |world| world.waiting() == 0).await;
    let numbers: Vec<u64> = world.hub.letters("a").iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!((numbers, expired(&world)), ((20..40).collect::<Vec<u64>>(), 20));
}
