//! Senders whom the hub does not let in, and modules that acknowledge nothing: nobody else waits for them.

use std::time::Duration;

use serde_json::json;
use skerry_mqtt::topic::Subscription;
use tokio::time::sleep;

use super::sim::{Settling, World};

#[tokio::test(start_paused = true)]
async fn neither_a_barred_leaf_nor_a_stuck_module_keeps_others_waiting() {
    let mut world = World::with_routes(&json!({
        "up": "FROM /messages/* INTO $upstream",
        "stuck": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/stuck/inputs/in\")",
        "well": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/well/inputs/in\")",
    }));
    for id in ["barred", "good", "edge/stuck", "edge/well"] {
        world.register(id);
    }
    world.hub.bar("barred");
    world.start().await;
    let stuck = world.connect_as("edge/stuck", Settling::Never).await;
    let well = world.connect("edge/well").await;
    for module in [&stuck, &well] {
        module.subscribe(&[Subscription::Inputs]).await;
    }
    let (barred, good) = (world.connect("barred").await, world.connect("good").await);
    for number in 0..2000 {
        barred.publish(number).await.unwrap();
        good.publish(number).await.unwrap();
        if number % 100 == 99 {
            // Whatever the others do, this is with the hub and the module a moment later.
            sleep(Duration::from_secs(1)).await;
            assert_eq!(world.hub.count("good") as u64, number + 1);
            assert_eq!(well.letters().len() as u64, 2 * (number + 1));
        }
    }
    assert_eq!((world.hub.count("barred"), stuck.letters().len()), (0, 128));
    world.hub.let_in("barred");
    world.until("they have gone after all", |world| world.hub.count("barred") == 2000).await;
    world.hub.assert_in_order("barred", 2000, 0);
    world.hub.assert_in_order("good", 2000, 0);
    barred.publish(2000).await.unwrap();
    world.until("it goes straight", |world| world.hub.count("barred") == 2001).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_are_let_in_do_not_wait_for_those_who_are_not() {
    let mut world = World::new();
    let leaves: Vec<String> = (0..12).map(|number| format!("leaf{number}")).collect();
    for leaf in &leaves {
        world.register(leaf);
        world.hub.bar(leaf);
    }
    world.start().await;
    let mut clients = Vec::new();
    for leaf in &leaves {
        let client = world.connect(leaf).await;
        client.publish_all(0..20).await;
        clients.push(client);
    }
    sleep(Duration::from_secs(300)).await;
    for leaf in leaves.iter().step_by(2) {
        world.hub.let_in(leaf);
    }
    world
        .until("those of every second one are there", |world| {
            leaves.iter().step_by(2).all(|leaf| world.hub.count(leaf) == 20)
        })
        .await;
    for leaf in leaves.iter().skip(1).step_by(2) {
        assert_eq!(world.hub.count(leaf), 0);
        world.hub.let_in(leaf);
    }
    world.until("the others are there", |world| leaves.iter().all(|leaf| world.hub.count(leaf) == 20)).await;
    for leaf in &leaves {
        world.hub.assert_in_order(leaf, 20, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_barred_and_let_in_while_it_sends_keeps_its_order() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let client = world.connect("a").await;
    let sender = tokio::spawn(async move {
        for number in 0..3000 {
            client.publish(number).await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
        client
    });
    for turn in 0..6 {
        sleep(Duration::from_secs(20)).await;
        world.hub.bar("a");
        sleep(Duration::from_secs(10 + turn)).await;
        world.hub.let_in("a");
        if turn % 2 == 0 {
            // Something changes in the scope, and it is tried at once.
            world.register(&format!("other{turn}"));
        }
    }
    drop(sender.await.unwrap());
    world.until("everything is with the hub", |world| world.hub.count("a") == 3000).await;
    world.hub.assert_in_order("a", 3000, 6 * 64);
}

#[tokio::test(start_paused = true)]
async fn where_a_barred_senders_letters_find_no_room_others_go_on() {
    let mut world = World::new().with_room(200_000);
    world.register("barred");
    world.register("good");
    world.start().await;
    let (barred, good) = (world.connect("barred").await, world.connect("good").await);
    world.hub.go_away();
    world.hub.bar("barred");
    let mut kept = 0;
    while barred.publish(kept).await.is_ok() && good.publish(kept).await.is_ok() {
        kept += 1;
    }
    assert!(kept > 100, "{kept}");
    world.hub.come_back();
    world.until("the other's are there", |world| world.hub.count("good") as u64 >= kept).await;
    world.hub.let_in("barred");
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    let lost = world.edge().figures().messages_dropped.total();
    assert_eq!(lost, 0);
    assert!(world.hub.count("barred") as u64 >= kept);
}

#[tokio::test(start_paused = true)]
async fn one_to_whom_the_hub_does_not_listen_keeps_others_waiting_for_no_longer_than_it_takes_to_see_that() {
    let mut world = World::new();
    world.register("unheard");
    world.register("good");
    world.start().await;
    let (unheard, good) = (world.connect("unheard").await, world.connect("good").await);
    world.hub.is_deaf_to("unheard", true);
    let mut next = 0;
    for second in 0..300 {
        for _ in 0..10 {
            unheard.publish(next).await.unwrap();
            good.publish(next).await.unwrap();
            next += 1;
        }
        sleep(Duration::from_secs(1)).await;
        assert!(
            second < 100 || world.hub.count("good") as u64 == next,
            "{second}: {}",
            world.hub.count("good")
        );
    }
    assert_eq!(world.hub.count("unheard"), 0);
    world.hub.is_deaf_to("unheard", false);
    world.until("it is heard after all", |world| world.hub.count("unheard") as u64 == next).await;
    world.hub.assert_in_order("unheard", next, 0);
    world.hub.assert_in_order("good", next, 0);
}
