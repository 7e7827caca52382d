//! The link to the hub: late, cut, flapping, silent. Nothing is lost, and nothing is overtaken.

use std::time::Duration;

use tokio::time::sleep;

use super::sim::{Acks, World};

#[tokio::test(start_paused = true)]
async fn letters_keep_their_order_over_a_link_that_flaps() {
    let mut world = World::new();
    for leaf in ["a", "b", "c"] {
        world.register(leaf);
    }
    world.hub.acknowledge(Acks::After(Duration::from_millis(80)));
    world.start().await;
    let mut senders = Vec::new();
    for leaf in ["a", "b", "c"] {
        let client = world.connect(leaf).await;
        senders.push(tokio::spawn(async move {
            for number in 0..500 {
                client.publish(number).await.unwrap();
                sleep(Duration::from_millis(17)).await;
            }
        }));
    }
    let mut cuts = 0;
    for turn in 0..12 {
        sleep(Duration::from_millis(300 + 190 * turn)).await;
        match turn % 3 {
            0 => world.hub.cut(),
            1 => {
                world.hub.go_away();
                sleep(Duration::from_secs(turn)).await;
                world.hub.come_back();
            }
            _ => {
                // Connections that do not break at once, over which nothing arrives.
                world.hub.acknowledge(Acks::Swallowed);
                sleep(Duration::from_millis(700)).await;
                world.hub.cut();
                world.hub.acknowledge(Acks::After(Duration::from_millis(80)));
            }
        }
        cuts += 1;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    for leaf in ["a", "b", "c"] {
        world.hub.assert_in_order(leaf, 500, cuts * 64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_says_nothing_is_left_and_found_again() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let client = world.connect("a").await;
    client.publish_all(0..10).await;
    world.until("the first are there", |world| world.waiting() == 0).await;
    world.hub.acknowledge(Acks::Swallowed);
    let dials = world.hub.dials("a");
    client.publish_all(10..200).await;
    world
        .until("it was left twice", |world| {
            world.edge().figures().stalls.get() >= 2 && world.hub.dials("a") >= dials + 2
        })
        .await;
    assert_eq!(world.hub.count("a"), 10);
    world.hub.acknowledge(Acks::After(Duration::from_millis(5)));
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", 200, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_talks_and_never_acknowledges_is_left() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let client = world.connect("a").await;
    client.subscribe(&[skerry_mqtt::topic::Subscription::Desired]).await;
    world.hub.acknowledge(Acks::Never);
    client.publish_all(0..10).await;
    for second in 0..60 {
        world.hub.desire("a", &serde_json::json!({"second": second}));
        sleep(Duration::from_secs(1)).await;
    }
    assert!(world.edge().figures().stalls.get() >= 2, "{}", world.edge().figures().stalls.get());
    world.hub.acknowledge(Acks::After(Duration::from_millis(5)));
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", 10, 10 * 60);
}

#[tokio::test(start_paused = true)]
async fn a_line_goes_on_with_a_new_token_before_the_old_one_ends() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let client = world.connect("a").await;
    let dials = world.hub.dials("a");
    for number in 0..300 {
        client.publish(number).await.unwrap();
        sleep(Duration::from_secs(60)).await;
    }
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    // Five hours, and a connection for each fifty minutes.
    assert!((5..=8).contains(&(world.hub.dials("a") - dials)), "{}", world.hub.dials("a") - dials);
    world.hub.assert_in_order("a", 300, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_hub_will_never_take_is_dropped_and_counted() {
    let mut world = World::new();
    world.register("a");
    world.hub.refuses("3");
    world.start().await;
    let client = world.connect("a").await;
    client.publish_all(0..6).await;
    world.until("nothing waits", |world| world.waiting() == 0).await;
    assert_eq!(world.hub.letters("a"), ["0", "1", "2", "4", "5"]);
    let dropped = world.edge().figures().messages_dropped.series();
    assert!(dropped.len() == 1 && dropped[0].0.contains("refused") && dropped[0].1 == 1, "{dropped:?}");
}
