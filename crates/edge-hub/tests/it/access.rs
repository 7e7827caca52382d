//! Who is let in, and for how long.

use std::time::Duration;

use skerry_front::device::{CloseReason, Refused};
use tokio::time::sleep;

use super::sim::{Settling, World};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_token_ends_and_a_new_one_goes_on() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let skew = world.rules.token_skew;
    let ends = world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.unwrap();
    sleep(HOUR + skew - Duration::from_secs(1)).await;
    assert_eq!(ends.closed(), None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(ends.closed(), Some(CloseReason::Expired));
    let stays = world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.unwrap();
    for _ in 0..5 {
        sleep(HOUR).await;
        stays.session.renew(world.token("a", HOUR)).await.unwrap();
    }
    assert_eq!(stays.closed(), None);
    world.register("b");
    assert!(stays.session.renew(world.token("b", HOUR)).await.is_err());
    sleep(2 * HOUR).await;
    assert_eq!(stays.closed(), Some(CloseReason::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_believe_the_edge_says_nothing_of_who_is_behind_it() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    sleep(Duration::from_secs(1)).await;
    for status in [401, 403, 429, 500, 503] {
        world.hub.tells_no_identities(Some(status));
        // Somebody shows what does not count, so that the hub is asked.
        sleep(Duration::from_secs(60)).await;
        let expired = world.token("a", Duration::ZERO);
        sleep(2 * world.rules.token_skew).await;
        assert!(world.try_connect("a", Settling::Complete, expired).await.is_err());
        assert!(world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.is_ok(), "{status}");
    }
    // One that says that it is not there is believed.
    for status in [400, 404] {
        world.hub.tells_no_identities(None);
        sleep(Duration::from_secs(60)).await;
        assert!(world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.is_ok());
        world.hub.tells_no_identities(Some(status));
        let expired = world.token("a", Duration::ZERO);
        sleep(2 * world.rules.token_skew).await;
        assert!(world.try_connect("a", Settling::Complete, expired).await.is_err());
        assert!(
            world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.is_err(),
            "{status}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_known_comes_in_without_the_hub_and_over_restarts() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    sleep(Duration::from_secs(1)).await;
    world.hub.go_away();
    world.kill().await;
    world.start().await;
    drop(world.connect("a").await);
    world.register("new");
    let refused = world.try_connect("new", Settling::Complete, world.token("new", HOUR)).await;
    assert!(matches!(refused, Err(Refused::Unauthorised { .. })));
    world.hub.come_back();
    sleep(Duration::from_secs(20)).await;
    drop(world.connect("new").await);
}

#[tokio::test(start_paused = true)]
async fn who_is_disabled_is_sent_away() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let client = world.connect("a").await;
    world.hub.disable("a");
    sleep(2 * HOUR).await;
    assert_eq!(client.closed(), Some(CloseReason::Revoked));
    let refused = world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await;
    assert!(matches!(refused, Err(Refused::Disabled)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_again_has_its_place_though_every_place_is_taken() {
    let mut world = World::new();
    world.rules.clients_max = 3;
    for id in ["a", "b", "c", "d"] {
        world.register(id);
    }
    world.start().await;
    let mut clients = Vec::new();
    for id in ["a", "b", "c"] {
        clients.push(world.connect(id).await);
    }
    for turn in 0..200 {
        let refused = world.try_connect("d", Settling::Complete, world.token("d", HOUR)).await;
        assert!(matches!(refused, Err(Refused::Unavailable { .. })));
        let at = turn % 3;
        // Before the edge has seen that the old connection is gone.
        let again = world.connect(&clients[at].id.clone()).await;
        let before = std::mem::replace(&mut clients[at], again);
        world.until("the old one is told", |_| before.closed() == Some(CloseReason::Superseded)).await;
    }
    drop(clients.pop());
    sleep(Duration::from_millis(10)).await;
    drop(world.connect("d").await);
}
