//! The engine, the disk, the registry, the hub and the clock fail; modules run on, the reason is told,
//! and everything goes on by itself when the cause is gone.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_runtime::{Behaviour, NetworkOptions, Runtime as _, State};
use tokio::time::{Instant, sleep};

use super::world::{World, manifest};

async fn with_sensor() -> World {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.machine.publish("sensor:2", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&sensor("sensor:1"));
    world.until_code(version, 200).await;
    world
}

fn sensor(image: &str) -> Value {
    manifest(&[("sensor", json!(image))])
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_missing_is_waited_for() {
    let world = with_sensor().await;
    let version = world.hub.deploy(&sensor("sensor:3"));
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("sensor:3") && reason.contains("does not exist"), "{reason}");
    assert_eq!(world.containers().await["sensor"].state, State::Running);
    assert_eq!(world.machine.starts("sensor"), 1);
    world.machine.take_calls();
    sleep(Duration::from_secs(3600)).await;
    let tries = world.machine.take_calls().len();
    assert!((10..20).contains(&tries), "{tries} tries in an hour");
    world.machine.publish("sensor:3", Behaviour::runs());
    world.until_code(version, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_and_outlived() {
    let world = with_sensor().await;
    world.machine.set_disk_full(true);
    let version = world.hub.deploy(&sensor("sensor:2"));
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("no room"), "{reason}");
    assert_eq!(world.hub.reported()["skerry"]["update"]["phase"], "waiting");
    world.machine.set_disk_full(false);
    world.until_code(version, 200).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_late_is_waited_for() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.machine.set_down(true);
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&sensor("sensor:1"));
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("does not answer"), "{reason}");
    let (status, _) = world.hub.call("ping", &Value::Null).await;
    assert_eq!(status, 200, "the agent is there");
    sleep(Duration::from_secs(3600)).await;
    world.machine.set_down(false);
    let network = NetworkOptions { name: "azure-iot-edge".to_owned(), ..NetworkOptions::default() };
    world.runtime.ensure_network(&network).await.unwrap();
    world.until_code(version, 200).await;
    world.until_status("sensor", "running").await;
    assert_eq!(world.hub.reported()["runtime"]["platform"]["os"], "linux");
    // The engine also says where modules find this machine.
    let document = world.runtime.document("sensor").await.unwrap();
    assert!(document.to_string().contains("edgeHub:172.18.0.1"), "{document:#}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_down_is_told_and_outlived() {
    let world = with_sensor().await;
    world.machine.set_down(true);
    world.until_code(1, 500).await;
    let reason = world.hub.reported()["lastDesiredStatus"]["description"].to_string();
    assert!(reason.contains("engine does not answer"), "{reason}");
    let snapshot = world.handle.as_ref().unwrap().snapshot().await.unwrap();
    assert!(snapshot.trouble.unwrap().contains("engine does not answer"));
    let version = world.hub.deploy(&sensor("sensor:2"));
    sleep(Duration::from_secs(60)).await;
    world.machine.set_down(false);
    world.until_code(version, 200).await;
    assert_eq!(world.containers().await["sensor"].image(), "sensor:2");
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_of_the_engine_is_not_worth_a_word() {
    let world = with_sensor().await;
    let reports = world.hub.reports();
    world.machine.set_down(true);
    sleep(Duration::from_secs(7)).await;
    world.machine.set_down(false);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(world.hub.reports(), reports);
}

#[tokio::test(start_paused = true)]
async fn identities_that_are_out_of_reach_are_waited_for_before_anything_is_stopped() {
    let world = with_sensor().await;
    *world.names.is_away.lock().unwrap() = true;
    let version = world.hub.deploy(&sensor("sensor:2"));
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("identities"), "{reason}");
    assert_eq!(world.containers().await["sensor"].image(), "sensor:1");
    // What is there is cared for meanwhile.
    world.machine.crash("sensor", 1);
    world.until("it runs again", async |world| world.machine.starts("sensor") == 2).await;
    *world.names.is_away.lock().unwrap() = false;
    world.until_code(version, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_manifest_changes_nothing_and_says_what_is_wrong() {
    let world = with_sensor().await;
    let mut bad = sensor("sensor:2");
    bad["modules"]["sensor"]["restartPolicy"] = json!("sometimes");
    let version = world.hub.deploy(&bad);
    let reason = world.until_code(version, 400).await;
    assert!(reason.contains("modules.sensor.restartPolicy"), "{reason}");
    bad["schemaVersion"] = json!("7.0");
    let version = world.hub.deploy(&bad);
    world.until_code(version, 412).await;
    let version = world.hub.deploy(&json!({}));
    world.until_code(version, 417).await;
    sleep(Duration::from_secs(120)).await;
    world.until_code(version, 417).await;
    assert_eq!((world.machine.starts("sensor"), world.containers().await.len()), (1, 1));
    let version = world.hub.deploy(&sensor("sensor:1"));
    world.until_code(version, 200).await;
    assert_eq!(world.machine.starts("sensor"), 1);
}

#[tokio::test(start_paused = true)]
async fn patches_that_were_missed_are_fetched() {
    let world = with_sensor().await;
    let twins = world.hub.twins();
    world.hub.lose_next_patch();
    world.hub.deploy(&sensor("sensor:2"));
    // The next patch does not follow on what is known.
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:2")), ("more", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    assert_eq!(world.hub.twins(), twins + 1);
    // So does whatever happened while the line was down.
    world.hub.go_down();
    let version = world.hub.deploy(&sensor("sensor:1"));
    world.hub.go_up();
    world.until_code(version, 200).await;
    // And an hour later, whatever came.
    world.hub.lose_next_patch();
    let version = world.hub.deploy(&sensor("sensor:2"));
    world.until_code(version, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_stops_nothing() {
    let world = with_sensor().await;
    // Back by years, in the middle of a wait for a restart.
    world.machine.crash("sensor", 1);
    sleep(Duration::from_secs(1)).await;
    world.clock.set("2020-01-01T00:00:00Z".parse().unwrap());
    world.until("it runs again", async |world| world.machine.starts("sensor") == 2).await;
    world.until_status("sensor", "running").await;
    // Forward by years, while an update is watched.
    let version = world.hub.deploy(&sensor("sensor:2"));
    world
        .until("it is changed", async |world| {
            world.containers().await.get("sensor").is_some_and(|sensor| sensor.image() == "sensor:2")
        })
        .await;
    world.clock.set("2031-01-01T00:00:00Z".parse().unwrap());
    world.until_code(version, 200).await;
    world.machine.crash("sensor", 1);
    world.until("it runs again", async |world| world.machine.starts("sensor") == 2).await;
}

#[tokio::test(start_paused = true)]
async fn fifty_modules_with_long_settings_fit_into_the_twin() {
    let mut world = World::new();
    world.machine.publish("m:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let env = json!({"LONG": {"value": "x".repeat(400)}});
    let options = json!({"Labels": {"note": "y".repeat(100)}}).to_string();
    let module = json!({"env": env, "settings": {"image": "m:1", "createOptions": options}});
    let names: Vec<String> = (0..50).map(|n| format!("module-{n}")).collect();
    let modules: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), module.clone())).collect();
    let version = world.hub.deploy(&manifest(&modules));
    world.until_code(version, 200).await;
    let reported = world.hub.reported();
    assert_eq!(reported["modules"]["module-49"]["runtimeStatus"], "running");
    assert!(reported["skerry"]["leftOut"].as_str().unwrap().starts_with("env"));
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_overtakes_the_twin_is_not_lost() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.be_slow_with_the_next_twin();
    world.hub.go_up();
    world.start();
    world.until("the twin is asked for", async |world| world.hub.twins() == 1).await;
    let began = Instant::now();
    let version = world.hub.deploy(&sensor("sensor:1"));
    world.until_code(version, 200).await;
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(world.hub.twins(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_more_often_than_it_helps() {
    let world = with_sensor().await;
    let looks = async |seconds| {
        let before = world.machine.lists();
        sleep(Duration::from_secs(seconds)).await;
        world.machine.lists() - before
    };
    // Nothing happens.
    let count = looks(3600).await;
    assert!((100..=130).contains(&count), "{count}");
    // The engine is away while an update waits for its next try.
    world.hub.deploy(&sensor("sensor:9"));
    sleep(Duration::from_secs(60)).await;
    world.machine.set_down(true);
    let count = looks(3600).await;
    assert!((600..=800).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_refuses_the_device_for_long_is_told_to_the_daemon_once() {
    let world = with_sensor().await;
    let asked = || *world.office.0.lock().unwrap();
    // It is set up anew, and refuses for a moment.
    world.hub.refuse();
    sleep(Duration::from_secs(60)).await;
    world.hub.go_up();
    sleep(Duration::from_secs(600)).await;
    world.hub.refuse();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(asked(), 0);
    // Away is not refused.
    for _ in 0..100 {
        world.hub.go_down();
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(asked(), 0);
    world.hub.refuse();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(asked(), 1);
    for _ in 0..100 {
        world.hub.refuse();
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(asked(), 1);
    let snapshot = world.handle.as_ref().unwrap().snapshot().await.unwrap();
    assert_eq!(snapshot.hub_trouble.as_deref(), Some("not authorised"));
    assert_eq!(world.containers().await["sensor"].state, State::Running);
    assert_eq!(world.machine.starts("sensor"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_not_the_hubs_is_told_and_is_no_reason_for_another_identity() {
    let world = with_sensor().await;
    let trouble = async || world.handle.as_ref().unwrap().snapshot().await.unwrap().clock_trouble;
    let set = |ahead| *world.office.1.lock().unwrap() = Some(ahead);
    set(30);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(trouble().await, None, "answers take their time");
    set(-7200);
    sleep(Duration::from_secs(60)).await;
    let told = trouble().await.unwrap();
    assert!(told.contains("2 hours behind the hub's"), "{told}");
    assert_eq!(world.hub.reported()["skerry"]["clock"], told);
    for _ in 0..100 {
        world.hub.refuse();
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(*world.office.0.lock().unwrap(), 0);
    assert_eq!(world.hub.hurries(), 0);
    set(0);
    world.until("it does not wait for the next try", async |world| world.hub.hurries() == 1).await;
    world.hub.go_up();
    sleep(Duration::from_secs(60)).await;
    assert_eq!((trouble().await, &world.hub.reported()["skerry"]), (None, &Value::Null));
    // From here on a refusal is one.
    for _ in 0..40 {
        world.hub.refuse();
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(*world.office.0.lock().unwrap(), 1);
    assert_eq!(world.machine.starts("sensor"), 1);
}
