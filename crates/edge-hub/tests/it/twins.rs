//! Twins and methods, with the hub and without it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use skerry_front::device::Proof;
use skerry_front::{HttpService as _, Request};
use skerry_mqtt::topic::Subscription;
use tokio::time::{Instant, sleep};

use super::sim::{Settling, World};

async fn world() -> World {
    let mut world = World::new();
    world.register("a");
    world.register("edge/m");
    world.start().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_twin_is_there_without_the_hub_and_joins_it_later() {
    let mut world = world().await;
    world.hub.desire("a", &json!({"colour": "red"}));
    let client = world.connect("a").await;
    world.until("its line is up", |world| world.hub.dials("a") == 1).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.twin().await["desired"]["colour"], "red");
    client.report(&json!({"x": 1, "gone": {"deep": 1}})).await;
    world.until("it is told", |world| world.hub.reported("a")["x"] == 1).await;
    world.hub.go_away();
    client.report(&json!({"x": 2})).await;
    client.report(&json!({"y": {"z": 3}, "gone": null})).await;
    let twin = client.twin().await;
    assert_eq!((&twin["desired"]["colour"], &twin["reported"]["x"]), (&json!("red"), &json!(2)));
    // A restart while the hub is away, and the client does not come again.
    drop(client);
    world.kill().await;
    world.start().await;
    let client = world.connect("a").await;
    let twin = client.twin().await;
    assert_eq!((&twin["reported"]["y"]["z"], &twin["desired"]["colour"]), (&json!(3), &json!("red")));
    drop(client);
    world.kill().await;
    world.start().await;
    world.hub.come_back();
    world.until("it is told", |world| world.hub.reported("a") == json!({"x": 2, "y": {"z": 3}})).await;
    assert_eq!(world.hub.reports("a").last(), Some(&json!({"x": 2, "y": {"z": 3}, "gone": null})));
}

#[tokio::test(start_paused = true)]
async fn who_comes_for_the_first_time_sees_what_the_hub_wants() {
    let world = world().await;
    world.hub.desire("a", &json!({"colour": "red"}));
    // At once: its line is not up yet.
    let client = world.connect("a").await;
    assert_eq!(client.twin().await["desired"]["colour"], "red");
    // And where the hub is away it hears of it as soon as the hub is back.
    world.hub.go_away();
    sleep(Duration::from_secs(1)).await;
    world.hub.desire("edge/m", &json!({"colour": "green"}));
    let client = world.connect("edge/m").await;
    client.subscribe(&[Subscription::Desired]).await;
    assert_eq!(client.twin().await["desired"], json!({"$version": 1}));
    world.hub.come_back();
    world.until("it is told", |_| client.desired() == [json!({"colour": "green", "$version": 2})]).await;
}

#[tokio::test(start_paused = true)]
async fn patches_come_in_order_and_what_was_missed_is_made_up_for() {
    let world = world().await;
    let client = world.connect("a").await;
    client.subscribe(&[Subscription::Desired]).await;
    sleep(Duration::from_secs(2)).await;
    for number in 0..20 {
        world.hub.desire("a", &json!({"n": number}));
    }
    world.until("they are told", |_| client.desired().len() == 20).await;
    let told: Vec<i64> = client.desired().iter().map(|patch| patch["n"].as_i64().unwrap()).collect();
    assert_eq!(told, (0..20).collect::<Vec<_>>());
    world.hub.loses_next_patch();
    world.hub.desire("a", &json!({"lost": true}));
    world.hub.desire("a", &json!({"n": 20}));
    world.until("the difference is told", |_| client.desired().len() == 21).await;
    assert_eq!(client.desired()[20], json!({"lost": true, "n": 20, "$version": 23}));
    // Whatever happens while the hub is away.
    world.hub.go_away();
    world.hub.desire("a", &json!({"n": null, "more": 1}));
    world.hub.come_back();
    world.until("the difference is told", |_| client.desired().len() == 22).await;
    assert_eq!(client.desired()[21], json!({"n": null, "more": 1, "$version": 24}));
}

#[tokio::test(start_paused = true)]
async fn reports_under_a_flapping_link_all_arrive() {
    let world = world().await;
    let client = world.connect("a").await;
    for number in 0..200 {
        client.report(&json!({"n": number, format!("k{number}"): number})).await;
        sleep(Duration::from_millis(137)).await;
        if number % 20 == 19 {
            world.hub.go_away();
            sleep(Duration::from_secs(3)).await;
            world.hub.come_back();
        }
    }
    world.until("the last is told", |world| world.hub.reported("a")["n"] == 199).await;
    assert_eq!(world.hub.reported("a").as_object().unwrap().len(), 201);
    assert!(world.hub.reports("a").len() < 60, "{}", world.hub.reports("a").len());
}

#[tokio::test(start_paused = true)]
async fn a_method_reaches_who_listens_and_nobody_else() {
    let world = world().await;
    let client = world.connect("a").await;
    world.until("its line is up", |world| world.hub.dials("a") == 1).await;
    sleep(Duration::from_secs(1)).await;
    world.hub.call("a", "1", "m");
    world.until("it is answered", |world| world.hub.answer("1") == Some(404)).await;
    client.subscribe(&[Subscription::Methods]).await;
    world.hub.call("a", "2", "m");
    world.until("it is answered", |world| world.hub.answer("2") == Some(200)).await;
}

/// A module calls a method of a device, which has so many seconds to come; what it is told, and when.
async fn called(world: &World, connect_within_s: u64) -> (StatusCode, Duration) {
    let Proof::Token(token) = world.token("edge/m", Duration::from_secs(3600)) else {
        panic!("it is a token")
    };
    let body = json!({"methodName": "m", "connectTimeoutInSeconds": connect_within_s, "responseTimeoutInSeconds": 5});
    let request = http::Request::post("/twins/a/methods?api-version=2018-06-30")
        .header("x-ms-edge-moduleId", "edge/m")
        .header("authorization", token);
    let (head, ()) = request.body(()).unwrap().into_parts();
    let request = Request {
        head,
        body: Bytes::from(body.to_string()),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
    };
    let began = Instant::now();
    let response = world.edge().handle(request).await;
    (response.status(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_method_waits_for_who_comes_late() {
    let world = world().await;
    assert_eq!(called(&world, 0).await, (StatusCode::NOT_FOUND, Duration::ZERO));
    assert_eq!(called(&world, 20).await, (StatusCode::NOT_FOUND, Duration::from_secs(20)));
    let late = async {
        sleep(Duration::from_secs(10)).await;
        let client = world.connect("a").await;
        sleep(Duration::from_secs(5)).await;
        client.subscribe(&[Subscription::Methods]).await;
        client
    };
    let ((status, after), client) = tokio::join!(called(&world, 20), late);
    assert_eq!((status, after), (StatusCode::OK, Duration::from_secs(15)));
    drop(client);
    // There, and deaf.
    let _client = world.connect("a").await;
    assert_eq!(called(&world, 3).await, (StatusCode::NOT_FOUND, Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_command_is_settled_when_its_device_has_settled_it() {
    let world = world().await;
    let client = world.connect_as("a", Settling::Never).await;
    client.subscribe(&[Subscription::Commands]).await;
    sleep(Duration::from_secs(2)).await;
    world.hub.command("a", 7, "go");
    world.until("it is there", |_| client.bodies() == ["go"]).await;
    drop(client);
    sleep(Duration::from_secs(5)).await;
    assert!(world.hub.settled().is_empty());
    // Whoever comes again gets it again, though the edge's own connection for it never ended.
    let client = world.connect("a").await;
    client.subscribe(&[Subscription::Commands]).await;
    world.until_after("it comes again", Duration::from_secs(10), |world| world.hub.settled() == [7]).await;
    world.hub.command("a", 8, "go on");
    world.until("it is settled", |world| world.hub.settled() == [7, 8]).await;
    assert_eq!(client.bodies(), ["go", "go on"]);
}
