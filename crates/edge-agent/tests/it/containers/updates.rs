//! From the first deployment over a good update to a bad one and back, with images from a registry
//! that wants a password, and an engine that is killed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use skerry_edge_agent::{Agent, Pace};
use skerry_model::Timestamp;
use skerry_runtime::{Runtime as _, State};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::engine::{Engine, LOCKED, OPEN, PASSWORD, USER};
use crate::sim::{Hub, Line, World, manifest};

const RUNS: &str = "CMD [\"/helper\"]";

async fn until_code(hub: &Hub, version: u64, code: u16) -> String {
    let wait = async {
        loop {
            let reported = hub.reported();
            let status = &reported["lastDesiredStatus"];
            if reported["lastDesiredVersion"] == version && status["code"] == code {
                return status["description"].as_str().unwrap().to_owned();
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let Ok(found) = timeout(Duration::from_secs(90), wait).await else {
        panic!("version {version} never ends with {code}: {:#}", hub.reported());
    };
    found
}

fn with(image: &str) -> Value {
    let options = json!({"HostConfig": {"Memory": 33_554_432}, "StopTimeout": 1}).to_string();
    let sensor = json!({
        "restartPolicy": "always", "env": {"A": {"value": "1"}},
        "settings": {"image": image, "createOptions": options}
    });
    let mut manifest = manifest(&[("sensor", sensor)]);
    let credential = json!({"address": LOCKED, "username": USER, "password": PASSWORD});
    manifest["runtime"]["settings"]["registryCredentials"] = json!({ "test": credential });
    manifest
}

#[tokio::test]
async fn a_module_comes_is_updated_and_a_bad_update_is_given_back() {
    let mut engine = Engine::start();
    engine.serve();
    engine.docker(&["login", LOCKED, "--username", USER, "--password", PASSWORD]).unwrap();
    engine.publish(&format!("{LOCKED}/sensor:1"), &[RUNS]);
    engine.publish(&format!("{LOCKED}/sensor:2"), &[RUNS, "ENV VERSION=2"]);
    engine.publish(&format!("{OPEN}/bad:1"), &["CMD [\"/helper\", \"exit\", \"7\"]"]);
    let runtime = Arc::new(engine.runtime());
    runtime
        .ensure_network(&skerry_runtime::NetworkOptions {
            name: "azure-iot-edge".to_owned(),
            ..skerry_runtime::NetworkOptions::default()
        })
        .await
        .unwrap();
    let world = World::new();
    // The engine's clock is the machine's.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    world.clock.set(Timestamp::from_unix(now));
    let mut options = world.options();
    let folder = tempfile::tempdir().unwrap();
    options.runtime = runtime.clone();
    options.device.workload_folder = folder.path().to_owned();
    options.pace =
        Pace { probation: Duration::from_secs(2), look_again: Duration::from_secs(1), ..Pace::default() };
    std::fs::create_dir(folder.path().join("sensor")).unwrap();
    let hub = Hub::default();
    hub.go_up();
    let (agent, _handle) = Agent::new(options, Box::new(Line(hub.clone())));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(agent.run(stopped));

    let first = hub.deploy(&with(&format!("{LOCKED}/sensor:1")));
    until_code(&hub, first, 200).await;
    let document = runtime.document("sensor").await.unwrap();
    assert_eq!(document["HostConfig"]["Memory"], 33_554_432);
    assert_eq!(
        document["HostConfig"]["Binds"],
        json!([format!("{}/sensor:/var/run/iotedge", folder.path().display())])
    );
    assert!(document["NetworkSettings"]["Networks"]["azure-iot-edge"].is_object());
    let env = document["Config"]["Env"].as_array().unwrap();
    assert!(env.contains(&json!("A=1")) && env.contains(&json!("IOTEDGE_MODULEID=sensor")), "{env:?}");

    let second = hub.deploy(&with(&format!("{LOCKED}/sensor:2")));
    until_code(&hub, second, 200).await;
    let good = runtime.inspect("sensor").await.unwrap();
    assert_eq!(good.image(), format!("{LOCKED}/sensor:2"));

    let bad = hub.deploy(&with(&format!("{OPEN}/bad:1")));
    let reason = until_code(&hub, bad, 500).await;
    assert!(reason.contains("sensor exited with code 7"), "{reason}");
    // It comes back without the registry.
    engine.go_offline();
    let back = async {
        while !runtime
            .inspect("sensor")
            .await
            .is_ok_and(|s| s.state == State::Running && s.image_id == good.image_id)
        {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), back).await.expect("the good one is back");

    // A process that is killed inside is started again, and counted.
    engine.docker(&["kill", "sensor"]).unwrap();
    let again = async {
        while hub.reported()["modules"]["sensor"]["restartCount"] != 1 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), again).await.expect("it was started again");

    // The engine dies, and it is told.
    engine.kill();
    let told = async {
        while !hub.reported()["lastDesiredStatus"]["description"].as_str().unwrap().contains("engine") {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), told).await.expect("it is told");
    stop.send_replace(true);
    running.await.unwrap();
}
