//! Routes come, go and are wrong; priorities go before each other.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_mqtt::topic::Subscription;
use tokio::time::sleep;

use super::sim::{World, desired};

#[tokio::test(start_paused = true)]
async fn letters_that_wait_are_delivered_whatever_becomes_of_their_route() {
    let mut world = World::with_routes(&json!({
        "up": "FROM /messages/* INTO $upstream",
        "in": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/m/inputs/old\")",
    }));
    world.register("a");
    world.register("edge/m");
    world.start().await;
    let client = world.connect("a").await;
    world.hub.acknowledge(super::sim::Acks::Never);
    client.publish_all(0..20).await;
    let version = world.hub.desire(
        "edge/$edgeHub",
        &json!({"routes": {"up": null, "in": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/m/inputs/new\")"}}),
    );
    applied(&world, version, 200).await;
    client.publish_all(20..40).await;
    drop(client);
    world.kill().await;
    world.hub.acknowledge(super::sim::Acks::After(Duration::from_millis(5)));
    world.start().await;
    let module = world.connect("edge/m").await;
    module.subscribe(&[Subscription::Inputs]).await;
    world.until("all are there", |world| world.waiting() == 0).await;
    world.hub.assert_in_order("a", 20, 20);
    let of = |input: &str| -> Vec<String> {
        module.letters().into_iter().filter(|(name, ..)| name == input).map(|(.., body)| body).collect()
    };
    assert_eq!(of("old"), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(of("new"), (20..40).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn applied(world: &World, version: u64, code: u64) {
    world
        .until("the hub has heard what became of it", |world| {
            let reported = world.hub.reported("edge/$edgeHub");
            reported["lastDesiredVersion"] == json!(version)
                && reported["lastDesiredStatus"]["code"] == json!(code)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_route_is_told_and_the_others_are_followed() {
    let mut world = World::new();
    world.register("a");
    world.start().await;
    let version = world.hub.desire(
        "edge/$edgeHub",
        &json!({"routes": {"bad": "FROM nowhere INTO", "more": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/m/inputs/in\")"}}),
    );
    applied(&world, version, 400).await;
    let told = world.hub.reported("edge/$edgeHub")["lastDesiredStatus"]["description"].to_string();
    assert!(told.contains("bad") && !told.contains("more"), "{told}");
    let client = world.connect("a").await;
    client.publish_all(0..5).await;
    world.until("they are there", |world| world.hub.count("a") == 5).await;
    world.until("the module's wait", |world| world.waiting() == 5).await;
    // One that was good and is bad now keeps its old form.
    let version = world.hub.desire("edge/$edgeHub", &json!({"routes": {"all": "FROM", "bad": null}}));
    applied(&world, version, 400).await;
    client.publish_all(5..10).await;
    world.until("they are there", |world| world.hub.count("a") == 10).await;
    let version = world.hub.desire("edge/$edgeHub", &json!({"routes": {"all": null}}));
    applied(&world, version, 200).await;
    client.publish(10).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.hub.count("a"), 10);
}

fn priorities() -> Value {
    let route = |output: &str, priority: u32| json!({"route": format!("FROM /messages/modules/m/outputs/{output} INTO $upstream"), "priority": priority});
    desired(&json!({"low": route("low", 9), "high": route("high", 0), "middle": route("middle", 5)}))
}

async fn sent(fairness: Option<u32>) -> Vec<String> {
    let mut world = World::with_routes(&json!({}));
    world.rules.fairness = fairness;
    world.rules.upstream_window = 4;
    world.register("edge/m");
    world.hub.desire("edge/$edgeHub", &priorities());
    world.start().await;
    let module = world.connect("edge/m").await;
    world.hub.go_away();
    sleep(Duration::from_secs(2)).await;
    for _ in 0..200 {
        for output in ["low", "middle", "high"] {
            module.publish_to(output, output).await.unwrap();
        }
    }
    world.hub.come_back();
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.hub.letters("edge/m")
}

#[tokio::test(start_paused = true)]
async fn priorities_are_strict() {
    let sent = sent(None).await;
    let wanted = [vec!["high"; 200], vec!["middle"; 200], vec!["low"; 200]].concat();
    assert_eq!(sent, wanted);
}

#[tokio::test(start_paused = true)]
async fn with_fairness_every_priority_moves() {
    let sent = sent(Some(4)).await;
    assert_eq!(sent.len(), 600);
    let first = &sent[..200];
    let of = |output: &str| first.iter().filter(|sent| *sent == output).count();
    assert!(of("high") > of("middle") && of("middle") > of("low") && of("low") > 0, "{first:?}");
}
