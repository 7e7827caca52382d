//! The process is killed in each state: whatever was acknowledged reaches the hub.

use std::time::Duration;

use tokio::time::sleep;

use super::sim::{Acks, Store, World};

/// How the edge stands when it is killed.
#[derive(Clone, Copy, Debug)]
enum Standing {
    HubAway,
    Silent,
    UnderWay,
    Barred,
    LetInAgain,
}

async fn killed(mut world: World, standing: Standing) {
    world.register("a");
    world.register("b");
    world.start().await;
    let mut next = 0;
    for round in 0..4 {
        let (a, b) = (world.connect("a").await, world.connect("b").await);
        match standing {
            Standing::HubAway => world.hub.go_away(),
            Standing::Silent => world.hub.acknowledge(Acks::Never),
            Standing::UnderWay => world.hub.acknowledge(Acks::After(Duration::from_millis(300))),
            Standing::Barred | Standing::LetInAgain if round == 0 => world.hub.bar("a"),
            Standing::Barred | Standing::LetInAgain => {}
        }
        for number in next..next + 100 {
            a.publish(number).await.unwrap();
            b.publish(number).await.unwrap();
            sleep(Duration::from_millis(5)).await;
        }
        next += 100;
        match standing {
            Standing::Barred => sleep(Duration::from_secs(30)).await,
            Standing::LetInAgain => {
                world.hub.let_in("a");
                // In the middle of what waited apart.
                world.until("some have come", |world| world.hub.count("a") > next as usize - 70).await;
            }
            _ => {}
        }
        drop((a, b));
        world.kill().await;
        world.hub.cut();
        world.start().await;
        sleep(Duration::from_millis(300)).await;
    }
    world.hub.come_back();
    world.hub.let_in("a");
    world.hub.acknowledge(Acks::After(Duration::from_millis(5)));
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    for leaf in ["a", "b"] {
        // What was under way or settled and not noted goes out again, with each of the lives.
        world.hub.assert_in_order(leaf, next, 5 * 2 * (512 + 256));
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_hub_is_away() {
    killed(World::new(), Standing::HubAway).await;
    killed(World::new().on_files(), Standing::HubAway).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_hub_says_nothing() {
    killed(World::new(), Standing::Silent).await;
    killed(World::new().on_files(), Standing::Silent).await;
}

#[tokio::test(start_paused = true)]
async fn while_letters_are_under_way() {
    killed(World::new(), Standing::UnderWay).await;
    killed(World::new().on_files(), Standing::UnderWay).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_sender_is_barred() {
    killed(World::new(), Standing::Barred).await;
    killed(World::new().on_files(), Standing::Barred).await;
}

#[tokio::test(start_paused = true)]
async fn while_what_waited_apart_goes_out() {
    killed(World::new(), Standing::LetInAgain).await;
    killed(World::new().on_files(), Standing::LetInAgain).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_before_an_orderly_end_does_not_go_out_again() {
    let mut world = World::new().on_files();
    world.register("a");
    for round in 0..3 {
        world.start().await;
        let client = world.connect("a").await;
        client.publish_all(round * 50..(round + 1) * 50).await;
        world
            .until("everything is with the hub", |world| world.hub.count("a") as u64 == (round + 1) * 50)
            .await;
        sleep(Duration::from_millis(20)).await;
        drop(client);
        world.stop().await;
    }
    assert!(matches!(world.store, Store::Files { .. }));
    world.hub.assert_in_order("a", 150, 0);
}
