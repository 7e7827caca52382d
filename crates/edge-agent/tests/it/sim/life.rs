//! Modules come up, are kept up, and are told of.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use skerry_edge_agent::container::Identity;
use skerry_edge_agent::plan::Limits;
use skerry_runtime::{Behaviour, Health, State};
use tokio::time::{Instant, sleep};

use super::world::{World, manifest};

#[tokio::test(start_paused = true)]
async fn a_first_deployment_runs_and_is_reported() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let began = Instant::now();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    // Told as soon as the modules have been watched for long enough.
    let took = began.elapsed().as_secs_f64();
    assert!((20.0..21.0).contains(&took), "{took}");
    let calls = world.machine.take_calls();
    assert_eq!(calls, ["pull sensor:1", "create sensor", "start sensor"]);
    let container = &world.containers().await["sensor"];
    assert_eq!(container.image(), "sensor:1");

    let reported = world.hub.reported();
    let started = container.started.unwrap().to_string();
    let sensor = json!({
        "type": "docker", "version": "", "status": "running", "restartPolicy": "on-unhealthy",
        "startupOrder": 4_294_967_295_u32, "exitCode": 0, "statusDescription": "running",
        "lastStartTimeUtc": started, "lastExitTimeUtc": "0001-01-01T00:00:00Z", "restartCount": 0,
        "lastRestartTimeUtc": "0001-01-01T00:00:00Z", "runtimeStatus": "running",
        "settings": {"image": "sensor:1", "imageHash": container.image_id, "createOptions": "{}"},
        "imagePullPolicy": "on-create", "env": {}
    });
    assert_eq!(reported["modules"], json!({ "sensor": sensor }));
    assert_eq!(reported["schemaVersion"], "1.0");
    assert_eq!(reported["version"]["version"], "1.2.3");
    assert_eq!(reported["runtime"]["platform"]["architecture"], "x86_64");
    for system in ["edgeAgent", "edgeHub"] {
        assert_eq!(reported["systemModules"][system]["runtimeStatus"], "running", "{system}");
    }
    assert_eq!(reported["systemModules"]["edgeHub"]["settings"]["image"], "hub:1");
    // Nothing happens, nothing is reported.
    let reports = world.hub.reports();
    sleep(Duration::from_secs(1800)).await;
    assert_eq!(world.hub.reports(), reports);
    assert_eq!(world.machine.take_calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_the_hub_has_made_gets_the_keys_of_this_device() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    let made = |module_id: &str| Identity {
        module_id: module_id.to_owned(),
        generation_id: "7".to_owned(),
        managed_by: String::new(),
    };
    world.names.known.lock().unwrap().extend([made("sensor"), made("foreign")]);
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    assert_eq!(*world.names.updated.lock().unwrap(), ["sensor"]);
    assert_eq!(world.names.known.lock().unwrap().len(), 2, "nothing is made twice");
}

#[tokio::test(start_paused = true)]
async fn crashes_are_restarted_later_and_later_and_given_up() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::exits(Duration::from_secs(1), 3));
    world.hub.go_up();
    world.start_with(Limits { restarts_max: Some(4), ..Limits::default() });
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    let reason = world.until_code(version, 500).await;
    assert!(reason.contains("sensor exited with code 3"), "{reason}");
    world.until_status("sensor", "failed").await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.machine.starts("sensor"), 5);
    let sensor = &world.hub.reported()["modules"]["sensor"];
    assert_eq!((&sensor["restartCount"], &sensor["exitCode"]), (&json!(4), &json!(3)));
    // 10 + 20 + 40 + 80 seconds of waiting, and four lives of one second.
    let last = world.containers().await["sensor"].started.unwrap();
    let first = "2024-05-01T12:00:00Z".parse().unwrap();
    let waited = last.since(first).as_secs();
    assert!((154..165).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_seen_at_once_where_the_engine_tells() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    let began = Instant::now();
    world.machine.crash("sensor", 139);
    world.until("it runs again", async |world| world.machine.starts("sensor") == 2).await;
    let took = began.elapsed().as_secs_f64();
    assert!((10.0..10.5).contains(&took), "{took}");
    world.until_status("sensor", "running").await;
    // Ten minutes later the restart is forgotten.
    assert_eq!(world.hub.reported()["modules"]["sensor"]["restartCount"], 1);
    world
        .until("it is forgotten", async |world| {
            world.hub.reported()["modules"]["sensor"]["restartCount"] == 0
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_module_that_falls_ill_is_restarted() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs().health(Health::Healthy));
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    world.machine.take_calls();
    world.machine.set_health("sensor", Health::Unhealthy);
    world.until("it was restarted", async |world| world.machine.starts("sensor") == 2).await;
    assert_eq!(world.machine.take_calls(), ["stop sensor", "start sensor"]);
    world.until_status("sensor", "running").await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_stop_and_to_run_again_makes_nothing_anew() {
    let mut world = World::new();
    world.machine.publish("job:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let module = |status: &str| {
        manifest(&[(
            "job",
            json!({"status": status, "restartPolicy": "never", "settings": {"image": "job:1"}}),
        )])
    };
    let first = world.hub.deploy(&module("running"));
    world.until_code(first, 200).await;
    let stopped = world.hub.deploy(&module("stopped"));
    world.until_code(stopped, 200).await;
    world.until_status("job", "stopped").await;
    let again = world.hub.deploy(&module("running"));
    world.until_code(again, 200).await;
    world.until_status("job", "running").await;
    assert_eq!(
        world.machine.take_calls(),
        ["pull job:1", "create job", "start job", "stop job", "start job"]
    );
}

#[tokio::test(start_paused = true)]
async fn modules_run_on_while_the_agent_is_away() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    world.stop().await;
    let reported = world.hub.reported();
    assert_eq!(reported["lastDesiredStatus"], json!({"code": 406, "description": "Agent is not running"}));
    assert_eq!(reported["modules"]["sensor"]["runtimeStatus"], "unknown");
    assert_eq!(world.containers().await["sensor"].state, State::Running);

    // Without a hub, from what is kept.
    world.hub.go_down();
    world.machine.take_calls();
    world.machine.crash("sensor", 1);
    world.start();
    world.until("it runs again", async |world| world.machine.starts("sensor") == 2).await;
    assert_eq!(world.machine.take_calls(), ["stop sensor", "start sensor"]);
    let kept = world.disk.0.lock().unwrap()["manifest.sealed"].clone();
    assert!(!String::from_utf8_lossy(&kept).contains("sensor:1"));
    world.hub.go_up();
    world.until_code(version, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_removed_comes_back_without_any_network() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    world.machine.set_offline(true);
    world.hub.go_down();
    world.machine.take_calls();
    skerry_runtime::Runtime::remove(world.runtime.as_ref(), "sensor").await.unwrap();
    world.until("it is back", async |world| world.containers().await.contains_key("sensor")).await;
    assert_eq!(world.machine.take_calls(), ["remove sensor", "create sensor", "start sensor"]);
}

#[tokio::test(start_paused = true)]
async fn figures_have_the_names_that_dashboards_know() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let module = json!({"version": "2.0", "settings": {"image": "sensor:1"}});
    let version = world.hub.deploy(&manifest(&[("sensor", module)]));
    world.until_code(version, 200).await;
    world.machine.crash("sensor", 1);
    world.until("it runs again", async |world| world.machine.starts("sensor") == 2).await;
    world.hub.call("ping", &json!(null)).await;
    world.hub.call("made-up", &json!(null)).await;
    let page = world.handle.as_ref().unwrap().metrics().await.unwrap();
    let common = "iothub=\"hub.example.com\",edge_device=\"edge-1\",instance_number=\"07070707-0707-4707-8707-070707070707\"";
    let module = "module_name=\"sensor\"";
    for line in [
        format!(
            "edgeAgent_module_start_total{{{common},{module},module_version=\"2.0\",ms_telemetry=\"True\"}} 2"
        ),
        format!(
            "edgeAgent_module_stop_total{{{common},{module},module_version=\"2.0\",ms_telemetry=\"True\"}} 1"
        ),
        format!(
            "edgeAgent_module_prepare_update_total{{{common},{module},module_version=\"2.0\",ms_telemetry=\"True\"}} 1"
        ),
        format!(
            "edgeAgent_command_latency_seconds_count{{{common},command=\"restart\",ms_telemetry=\"True\"}} 1"
        ),
        format!("edgeAgent_iothub_syncs_total{{{common},ms_telemetry=\"True\"}} 1"),
        format!("edgeAgent_deployment_time_seconds_count{{{common},ms_telemetry=\"True\"}} 1"),
        format!("edgeAgent_used_memory_bytes{{{common},{module},ms_telemetry=\"True\"}} 2000000"),
        format!("edgeAgent_total_memory_bytes{{{common},module_name=\"host\",ms_telemetry=\"True\"}} 4000"),
        format!(
            "edgeAgent_available_disk_space_bytes{{{common},disk_name=\"sda1\",disk_filesystem=\"ext4\",disk_filetype=\"SSD\",ms_telemetry=\"True\"}} 5"
        ),
        format!(
            "edgeAgent_metadata{{{common},edge_agent_version=\"1.2.3\",experimental_features=\"{{}}\",host_information=\"linux x86_64\",ms_telemetry=\"True\"}} 0"
        ),
        "edgeagent_direct_method_invocations_count{method_name=\"ping\"} 1".to_owned(),
        "edgeagent_direct_method_invocations_count{method_name=\"unknown\"} 1".to_owned(),
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n\n{page}");
    }
    let value = |name: &str| -> f64 {
        let found = page.lines().find(|line| line.starts_with(&format!("edgeAgent_{name}{{")));
        found.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    let (ran, expected) =
        (value("total_time_running_correctly_seconds"), value("total_time_expected_running_seconds"));
    assert!(expected > ran && ran > 20.0, "{ran} of {expected}");
}

#[tokio::test(start_paused = true)]
async fn how_long_modules_ran_is_kept_over_restarts_and_power_cuts() {
    let mut world = World::new();
    world.machine.publish("sensor:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("sensor", json!("sensor:1"))]));
    world.until_code(version, 200).await;
    let seconds = async |world: &World| -> f64 {
        let page = world.handle.as_ref().unwrap().metrics().await.unwrap();
        let name = "edgeAgent_total_time_running_correctly_seconds{";
        let line = page.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    };
    sleep(Duration::from_secs(3600)).await;
    let before = seconds(&world).await;
    assert!(before > 3500.0, "{before}");
    world.stop().await;
    // Nobody looked meanwhile.
    sleep(Duration::from_secs(3600)).await;
    world.start();
    sleep(Duration::from_secs(1)).await;
    let after = seconds(&world).await;
    assert!((before..before + 60.0).contains(&after), "{before} {after}");
    world.kill().await;
    world.start();
    sleep(Duration::from_secs(1)).await;
    let after = seconds(&world).await;
    assert!((before..before + 60.0).contains(&after), "{before} {after}");
    world.kill().await;
    world.disk.0.lock().unwrap().insert("availability.json".to_owned(), b"[".to_vec());
    world.start();
    world.until_status("sensor", "running").await;
}

#[tokio::test(start_paused = true)]
async fn the_agents_own_environment_is_told_when_it_changes() {
    let mut world = World::new();
    world.hub.go_up();
    world.start();
    let with = |env: Value| {
        let mut whole = manifest(&[]);
        whole["systemModules"]["edgeAgent"]["env"] = env.clone();
        whole["systemModules"]["edgeHub"]["env"] = env;
        whole
    };
    let protocol = json!({"UpstreamProtocol": {"value": "MqttWs"}});
    for desired in [manifest(&[]), with(protocol.clone()), with(protocol.clone())] {
        let version = world.hub.deploy(&desired);
        world.until_code(version, 200).await;
    }
    let told = || world.desk.0.lock().unwrap().clone();
    let chosen = BTreeMap::from([("UpstreamProtocol".to_owned(), "MqttWs".to_owned())]);
    assert_eq!(told(), [BTreeMap::new(), chosen.clone()]);
    assert_eq!(*world.desk.1.lock().unwrap(), [BTreeMap::new(), chosen.clone()], "and of the hub");
    // It is known before the hub is there.
    world.hub.go_down();
    world.stop().await;
    world.start();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.desk.0.lock().unwrap().last(), Some(&chosen));
    assert_eq!(world.desk.0.lock().unwrap().len(), 3);
    assert_eq!(world.desk.1.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn figures_are_sent_once_a_day_where_somebody_wants_them() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    for is_wanted in [false, true] {
        let mut world = World::new();
        world.sends_quality = is_wanted;
        world.hub.go_up();
        world.start();
        sleep(DAY + Duration::from_secs(60)).await;
        let messages = world.hub.messages();
        assert_eq!(messages.len(), usize::from(is_wanted));
        let Some((content_type, body)) = messages.first() else { continue };
        assert_eq!(*content_type, "application/x-azureiot-edgeruntimediagnostics");
        assert!(String::from_utf8_lossy(body).contains("edgeAgent_iothub_syncs_total"));
        // Without the hub they wait, and come one after the other when it is back.
        world.hub.go_down();
        sleep(3 * DAY).await;
        assert_eq!(world.hub.messages().len(), 1);
        world.hub.go_up();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.hub.messages().len(), 4);
        world.stop().await;
    }
}
