//! The store has no room: the newest are refused or the oldest go, and it goes on by itself.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::sim::World;

fn wants(when_full: &str) -> Value {
    let idle = "FROM /messages/modules/other/* INTO BrokeredEndpoint(\"/modules/idle/inputs/in\")";
    json!({"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream", "idle": idle},
        "storeAndForwardConfiguration": {"timeToLiveSecs": -1, "whenFull": when_full}})
}

#[tokio::test(start_paused = true)]
async fn new_letters_are_refused_and_the_old_ones_arrive() {
    let mut world = World::new().with_room(100_000);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("refuse"));
    world.start().await;
    let mut next = 0;
    for _ in 0..3 {
        world.hub.go_away();
        let mut client = world.connect("a").await;
        while client.publish(next).await.is_ok() {
            next += 1;
        }
        // It comes again and tries the same again, and is refused.
        client = world.connect("a").await;
        assert!(client.publish(next).await.is_err());
        sleep(Duration::from_secs(3600)).await;
        world.hub.come_back();
        world.until("there is room again", |world| world.waiting() == 0).await;
        client = world.connect("a").await;
        client.publish(next).await.unwrap();
        next += 1;
    }
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    assert!(next > 300, "{next}");
    world.hub.assert_in_order("a", next, 3 * 64);
    assert_eq!(world.edge().figures().messages_dropped.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_give_way_where_that_is_wanted() {
    let mut world = World::new().with_room(200_000);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("dropOldest"));
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    // Several times what there is room for; every one is taken.
    client.publish_all(0..10_000).await;
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    let numbers: Vec<u64> = world.hub.letters("a").iter().map(|body| body.parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&9999), "{numbers:?}");
    assert!((2000..4000).contains(&numbers.len()), "{} are there", numbers.len());
    // The newest are all there: what went was the oldest.
    assert_eq!(numbers[numbers.len() - 300..], (9700..10_000).collect::<Vec<u64>>()[..]);
    let dropped = world.edge().figures().messages_dropped.series();
    assert!(dropped.iter().all(|(labels, _)| labels.contains("storage_full")), "{dropped:?}");
    assert_eq!(dropped.iter().map(|(_, count)| *count).sum::<u64>() as usize, 10_000 - numbers.len());
}

#[tokio::test(start_paused = true)]
async fn letters_that_wait_for_room_do_not_overtake_each_other() {
    let mut world = World::new().with_room(200_000);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("dropOldest"));
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    // As the front door does: the next are handed on before the first are answered.
    let mut under_way = futures(&client, 0..8000);
    while let Some(outcome) = under_way.join_next().await {
        outcome.unwrap().unwrap();
    }
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    let numbers: Vec<u64> = world.hub.letters("a").iter().map(|body| body.parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&7999), "{numbers:?}");
}

/// Each begun in its turn.
fn futures(
    client: &super::sim::Client,
    numbers: std::ops::Range<u64>,
) -> tokio::task::JoinSet<Result<(), skerry_front::device::PublishRefused>> {
    let mut set = tokio::task::JoinSet::new();
    for number in numbers {
        set.spawn(client.publishing(number));
    }
    set
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_nothing_that_was_behind_it_is_taken() {
    let mut world = World::new().with_room(100_000);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("refuse"));
    world.hub.desire(
        "edge/$edgeHub",
        &json!({"storeAndForwardConfiguration": {"storeLimits": {"maxSizeBytes": 50_000}}}),
    );
    world.start().await;
    world.hub.go_away();
    let client = world.connect("a").await;
    let mut next = 0;
    while client.publish(next).await.is_ok() {
        next += 1;
    }
    world.hub.come_back();
    world.until("there is room again", |world| world.waiting() == 0).await;
    // The client does not know yet that one before it was refused.
    assert!(client.publish(next + 1).await.is_err());
    let client = world.connect("a").await;
    client.publish_all(next..next + 3).await;
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", next + 3, 64);
}

#[tokio::test(start_paused = true)]
async fn where_the_last_priority_has_nothing_the_one_before_gives_way() {
    let mut world = World::new().with_room(100_000);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("dropOldest"));
    let last = json!({"route": "FROM /messages/modules/other/* INTO $upstream", "priority": 9});
    let first = json!({"route": "FROM /messages/* INTO $upstream", "priority": 0});
    world.hub.desire("edge/$edgeHub", &json!({"routes": {"up": first, "last": last}}));
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    client.publish_all(0..3000).await;
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    let numbers: Vec<u64> = world.hub.letters("a").iter().map(|body| body.parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&2999) && numbers.len() > 500, "{numbers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_outlives_a_refusal_goes_on_when_there_is_room() {
    let mut world = World::new().with_room(50_000);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("refuse"));
    world.start().await;
    world.hub.go_away();
    let client = world.connect_passing("a").await;
    let mut next = 0;
    while client.publish(next).await.is_ok() {
        next += 1;
    }
    assert!(client.publish(next).await.is_err());
    world.hub.come_back();
    world.until("there is room again", |world| world.waiting() == 0).await;
    client.publish_all(next..next + 3).await;
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", next + 3, 64);
}

/// A module that is not there wants what "a" sends, and its queue may hold so many bytes.
fn idle_wants_all(when_full: &str, queue_bytes: u64) -> Value {
    let idle =
        "FROM /messages/* WHERE $connectionDeviceId = 'a' INTO BrokeredEndpoint(\"/modules/idle/inputs/in\")";
    json!({"routes": {"idle": idle}, "storeAndForwardConfiguration":
        {"whenFull": when_full, "storeLimits": {"maxQueueSizeBytes": queue_bytes}}})
}

fn waiting_bytes(world: &World) -> u64 {
    world.log().cursors().iter().map(|cursor| cursor.bytes).sum()
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_gives_up_its_oldest_and_the_others_give_up_nothing() {
    let mut world = World::new();
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("dropOldest"));
    world.hub.desire("edge/$edgeHub", &idle_wants_all("dropOldest", 20_000));
    world.start().await;
    let client = world.connect("a").await;
    for number in 0..2000 {
        client.publish(number).await.unwrap();
        // The hub keeps up.
        sleep(Duration::from_millis(10)).await;
        assert!(waiting_bytes(&world) <= 21_000, "{}", waiting_bytes(&world));
    }
    world.until("the hub has its own", |world| world.hub.count("a") == 2000).await;
    world.hub.assert_in_order("a", 2000, 0);
    let bytes = waiting_bytes(&world);
    assert!((5_000..20_500).contains(&bytes), "{bytes}");
    let dropped = world.edge().figures().messages_dropped.series();
    assert!(dropped.iter().all(|(labels, _)| labels.contains("storage_full")), "{dropped:?}");
    let count: u64 = dropped.iter().map(|(_, count)| *count).sum();
    let cursors = world.log().cursors();
    let idle = cursors.iter().find(|cursor| cursor.name.contains("idle")).unwrap();
    assert_eq!(count + idle.records, 2000);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_refuses_those_who_send_to_it_and_nobody_else() {
    let mut world = World::new();
    world.register("a");
    world.register("b");
    world.hub.desire("edge/$edgeHub", &wants("refuse"));
    world.hub.desire("edge/$edgeHub", &idle_wants_all("refuse", 20_000));
    world.start().await;
    let (client, other) = (world.connect("a").await, world.connect("b").await);
    let mut next = 0;
    let refused = loop {
        sleep(Duration::from_millis(10)).await;
        match client.publish(next).await {
            Ok(()) => next += 1,
            Err(refused) => break refused.to_string(),
        }
        assert!(next < 2000, "nothing was refused");
    };
    assert!(refused.contains("queue/2000000000/idle/in holds"), "{refused}");
    for number in 0..1000 {
        other.publish(number).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    world.until("the hub has all that was taken", |world| world.hub.count("b") == 1000).await;
    world.until("of both", |world| world.hub.count("a") == next as usize).await;
    assert!(waiting_bytes(&world) < 20_500, "{}", waiting_bytes(&world));
    assert_eq!(world.edge().figures().messages_dropped.total(), 0);
}

/// In the machine's own time: files go by a thread of the log's.
#[tokio::test]
async fn files_that_give_room_back_one_by_one_are_enough() {
    let mut world = World::new().on_files_of(4 << 20);
    world.register("a");
    world.hub.desire("edge/$edgeHub", &wants("dropOldest"));
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    // Twice what there is room for.
    for first in (0..40_000).step_by(100) {
        client.publish_batch(first..first + 100, 100).await;
    }
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    let letters = world.hub.letters("a");
    let numbers: Vec<u64> = letters.iter().map(|body| body.trim_end().parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&39_999), "{:?}", numbers.last());
    assert!(numbers.len() > 8_000, "{} are there", numbers.len());
}
