//! From one version to the next, and back.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_runtime::{Behaviour, Health, Status};
use tokio::time::sleep;

use super::world::{World, manifest};

/// A world in which `a:1` and `b:1` run well.
async fn settled() -> World {
    let mut world = World::new();
    for image in ["a:1", "b:1", "a:2", "b:2", "c:1"] {
        world.machine.publish(image, Behaviour::runs());
    }
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&two("a:1", "b:1"));
    world.until_code(version, 200).await;
    world.machine.take_calls();
    world
}

fn two(a: &str, b: &str) -> Value {
    manifest(&[("aa", json!(a)), ("bb", json!(b))])
}

#[tokio::test(start_paused = true)]
async fn everything_is_pulled_before_anything_is_stopped() {
    let world = settled().await;
    let version = world.hub.deploy(&manifest(&[("aa", json!("a:2")), ("cc", json!("c:1"))]));
    world.until_code(version, 200).await;
    assert_eq!(
        world.machine.take_calls(),
        [
            "pull a:2",
            "pull c:1",
            "stop bb",
            "remove bb",
            "create cc",
            "start cc",
            "stop aa",
            "remove aa",
            "create aa",
            "start aa"
        ]
    );
    let known: Vec<String> =
        world.names.known.lock().unwrap().iter().map(|identity| identity.module_id.clone()).collect();
    assert_eq!(known, ["aa", "cc"]);
    assert_eq!(world.hub.reported()["modules"]["bb"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_slow_pull_delays_no_restart_and_shows_how_far_it_is() {
    let world = settled().await;
    world.machine.set_pull_takes(Duration::from_secs(1000));
    let version = world.hub.deploy(&two("a:2", "b:1"));
    world
        .until("half of it has come", async |world| {
            world.hub.reported()["skerry"]["update"]["text"] == "aa 50 %, 0 of 1 layers"
        })
        .await;
    assert_eq!(world.hub.reported()["skerry"]["update"]["phase"], "pulling");
    world.machine.crash("bb", 1);
    world.machine.crash("aa", 1);
    sleep(Duration::from_secs(30)).await;
    // The old one of `a` as well.
    assert_eq!((world.machine.starts("aa"), world.machine.starts("bb")), (2, 2));
    world.until_code(version, 200).await;
    assert_eq!(world.containers().await["aa"].image(), "a:2");
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_module_exits_goes_back_by_itself_and_is_remembered() {
    let mut world = settled().await;
    world.machine.publish("a:bad", Behaviour::exits(Duration::from_secs(5), 42));
    let bad = two("a:bad", "b:2");
    let version = world.hub.deploy(&bad);
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("aa exited with code 42") && reason.contains("version 1 are back"), "{reason}");
    world
        .until("the old ones run", async |world| {
            let containers = world.containers().await;
            containers["aa"].image() == "a:1" && containers["bb"].image() == "b:1"
        })
        .await;
    world.until_status("aa", "running").await;
    assert_eq!(world.hub.reported()["skerry"]["update"]["phase"], "returned");

    // Neither by itself, nor after a restart, nor because the same is wished once more.
    world.machine.take_calls();
    sleep(Duration::from_secs(3600)).await;
    world.stop().await;
    world.start();
    let again = world.hub.deploy(&bad);
    assert_eq!(world.until_code(again, 500).await, reason);
    assert_eq!(world.machine.take_calls(), [""; 0]);

    // An operator asks, and it is good now.
    world.machine.publish("a:bad", Behaviour::runs());
    let (status, answer) = world.hub.call("RetryDeployment", &Value::Null).await;
    assert_eq!((status, answer), (200, json!({"retried": true, "version": again})));
    world.until_code(again, 200).await;
    let (status, answer) = world.hub.call("retrydeployment", &json!({})).await;
    assert_eq!((status, answer), (200, json!({"retried": false, "version": again})));
    assert_eq!(world.containers().await["aa"].image(), "a:bad");
    assert_eq!(world.hub.reported()["skerry"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_needs_no_registry_and_takes_the_very_images() {
    let world = settled().await;
    let before = world.containers().await["aa"].image_id.clone();
    // Somebody has put another image under the old name.
    world.machine.publish("a:1", Behaviour::runs());
    world.machine.publish("a:2", Behaviour::runs().health(Health::Starting));
    let version = world.hub.deploy(&two("a:2", "b:1"));
    world
        .until("the images are there", async |world| {
            world.containers().await.get("aa").is_some_and(|a| a.image() == "a:2")
        })
        .await;
    world.machine.set_offline(true);
    world.machine.set_health("aa", Health::Unhealthy);
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("aa is unhealthy"), "{reason}");
    world
        .until("the old one is back", async |world| {
            world.containers().await.get("aa").is_some_and(|a| a.image() == "a:1" && a.image_id == before)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn options_that_the_engine_refuses_go_back_as_well() {
    let world = settled().await;
    world.machine.refuse("cc", "Invalid volume spec");
    let version = world.hub.deploy(&manifest(&[("aa", json!("a:2")), ("cc", json!("c:1"))]));
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("cc: ") && reason.contains("Invalid volume spec"), "{reason}");
    world
        .until("the old set is back", async |world| {
            let containers = world.containers().await;
            containers.len() == 2 && containers["aa"].image() == "a:1" && containers.contains_key("bb")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_no_way_back_gets_none() {
    let world = settled().await;
    world.machine.publish("a:bad", Behaviour::exits(Duration::from_secs(5), 42));
    let mut bad = two("a:bad", "b:1");
    bad["skerry"] = json!({"rollback": false});
    let version = world.hub.deploy(&bad);
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("aa exited with code 42") && !reason.contains("back"), "{reason}");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.containers().await["aa"].image(), "a:bad");
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_takes_the_place_of_one_that_is_being_pulled() {
    let world = settled().await;
    world.machine.set_pull_takes(Duration::from_secs(1000));
    world.hub.deploy(&two("a:2", "b:1"));
    sleep(Duration::from_secs(10)).await;
    world.machine.set_pull_takes(Duration::from_secs(1));
    let version = world.hub.deploy(&two("a:1", "b:2"));
    world.until_code(version, 200).await;
    let containers = world.containers().await;
    assert_eq!((containers["aa"].image(), containers["bb"].image()), ("a:1", "b:2"));
    assert_eq!(world.machine.starts("aa"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_in_the_middle_of_a_change_is_finished_afterwards() {
    let mut world = settled().await;
    let version = world.hub.deploy(&two("a:2", "b:2"));
    world
        .until("one of them is gone", async |world| {
            world.containers().await.get("aa").is_none_or(|a| a.image() == "a:2")
        })
        .await;
    world.kill().await;
    world.start();
    world.until_code(version, 200).await;
    let containers = world.containers().await;
    assert_eq!((containers["aa"].image(), containers["bb"].image()), ("a:2", "b:2"));
}

#[tokio::test(start_paused = true)]
async fn what_an_update_has_its_hands_on_is_not_restarted_beside_it() {
    let world = settled().await;
    // The old one has ended for long when the engine says so.
    world.machine.set_stop_takes(Duration::from_secs(60));
    let version = world.hub.deploy(&two("a:2", "b:1"));
    world.until_code(version, 200).await;
    assert_eq!(world.machine.take_calls(), ["pull a:2", "stop aa", "remove aa", "create aa", "start aa"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_waits_for_a_restart_that_is_on_its_way() {
    let world = settled().await;
    world.machine.set_stop_takes(Duration::from_secs(60));
    world.machine.set_health("aa", Health::Unhealthy);
    world
        .until("it is being restarted", async |world| {
            world.containers().await["aa"].status() != Status::Running
        })
        .await;
    let version = world.hub.deploy(&two("a:2", "b:1"));
    world.until_code(version, 200).await;
    assert_eq!(
        world.machine.take_calls(),
        ["stop aa", "pull a:2", "start aa", "stop aa", "remove aa", "create aa", "start aa"]
    );
}
