//! A week without the hub.

use std::time::Duration;

use skerry_front::device::PublishRefused;
use tokio::time::sleep;

use super::sim::{Client, Settling, World};

const HOUR: Duration = Duration::from_secs(3600);

/// Sends until the edge has it, as a client does: a new connection after each refusal.
async fn send(world: &World, client: &mut Client, number: u64) -> bool {
    match client.publish(number).await {
        Ok(()) => true,
        Err(PublishRefused::Unavailable(_)) => {
            *client = world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.unwrap();
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn seven_days_without_the_hub_with_restarts_and_a_full_disk() {
    let mut world = World::new().with_room(150_000);
    world.register("a");
    world.start().await;
    sleep(Duration::from_secs(5)).await;
    let mut client = world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.unwrap();
    client.publish_all(0..10).await;
    world.until("the first are there", |world| world.waiting() == 0).await;
    world.hub.go_away();
    let (mut next, mut refused) = (10, 0);
    for hour in 0..7 * 24 {
        for _ in 0..20 {
            if send(&world, &mut client, next).await {
                next += 1;
            } else {
                refused += 1;
            }
        }
        sleep(HOUR / 2).await;
        if hour % 31 == 30 {
            drop(client);
            match hour % 2 {
                0 => world.kill().await,
                _ => world.stop().await,
            }
            sleep(Duration::from_secs(30)).await;
            world.start().await;
            client = world.try_connect("a", Settling::Complete, world.token("a", HOUR)).await.unwrap();
        } else {
            client.session.renew(world.token("a", HOUR)).await.unwrap();
        }
        sleep(HOUR / 2).await;
        assert_eq!(client.closed(), None);
    }
    assert!(refused > 0 && next > 1000, "{next} were taken and {refused} refused");
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    assert!(send(&world, &mut client, next).await);
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", next + 1, 64);
}
