//! Sockets of modules, and what becomes of modules when daemons come and go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use skerry_runtime::Runtime as _;

use crate::client::Client;
use crate::world::{World, is_open};

#[tokio::test]
async fn a_restarted_daemon_is_found_where_the_last_one_was_and_nothing_is_restarted() {
    let world = World::new().await;
    world.hub.put("sensor", "1");
    world.processes.are_in("sensor");
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    daemon.handle.open_workload("sensor").unwrap();
    world.container("sensor").await;
    // What a container has mounted is the directory.
    let mounted = fs::File::open(world.path("edged/mnt/sensor")).unwrap();
    let sign = json!({ "data": "" });
    let ask = async || {
        Client::at(&world.module_socket("sensor"))
            .post("/modules/sensor/genid/1/sign", &sign)
            .await
            .expect(200)
    };
    let first = ask().await;
    daemon.stop().await;
    assert!(!is_open(&world.module_socket("sensor")).await);

    world.hub.set_down(true);
    world.machine.take_calls();
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    assert_eq!(ask().await, first, "the same key, on the same path, without the hub");
    assert!(world.machine.take_calls().is_empty(), "no container was touched");
    assert_eq!(world.machine.starts("sensor"), 1);
    use std::os::unix::fs::MetadataExt as _;
    let now = fs::metadata(world.path("edged/mnt/sensor")).unwrap();
    assert_eq!(mounted.metadata().unwrap().ino(), now.ino(), "the mounted directory is still that one");
    daemon.stop().await;
}

#[tokio::test]
async fn modules_of_another_device_are_removed() {
    let mut world = World::new().await;
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    world.container("sensor").await;
    daemon.stop().await;
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    assert_eq!(world.runtime.list().await.unwrap().len(), 1, "the same device");
    assert!(is_open(&world.module_socket("sensor")).await);
    daemon.stop().await;
    world.provisioning = world.provisioning.replace("DeviceId=Edge-A", "DeviceId=Edge-B");
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    assert!(world.runtime.list().await.unwrap().is_empty());
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_down_at_the_start_is_waited_for() {
    let world = World::new().await;
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    world.container("sensor").await;
    daemon.stop().await;
    world.machine.set_down(true);
    let daemon = world.start().await;
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), daemon.handle.adopted()).await;
    assert!(waited.is_err());
    // Its APIs are there all the same.
    world.workload().get("/trust-bundle").await.expect(200);
    world.machine.set_down(false);
    daemon.handle.adopted().await;
    assert!(is_open(&world.module_socket("sensor")).await);
    daemon.stop().await;
}

#[tokio::test]
async fn sockets_are_for_everybody_and_what_is_left_over_goes() {
    let world = World::new().await;
    let socket = world.module_socket("sensor");
    // An engine that found nothing to mount has made a directory.
    fs::create_dir_all(&socket).unwrap();
    fs::create_dir_all(world.path("run")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(world.path("run/mgmt.sock")).unwrap());
    let daemon = world.start().await;
    let directory = daemon.handle.open_workload("sensor").unwrap();
    assert_eq!(directory.join("workload.sock"), socket);
    assert_eq!(daemon.handle.open_workload("sensor").unwrap(), directory, "open already is fine");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&socket)), (0o755, 0o666));
    assert_eq!((mode(&world.path("run/mgmt.sock")), mode(&world.path("run/workload.sock"))), (0o660, 0o666));
    daemon.handle.close_workload("sensor").unwrap();
    assert!(!directory.exists());
    daemon.handle.close_workload("sensor").unwrap();
    for name in ["", "..", "a/b", ".hidden", "a b", &"x".repeat(129)] {
        assert!(daemon.handle.open_workload(name).is_err(), "{name}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn who_lists_while_modules_are_taken_over_waits_for_it() {
    let mut world = World::new().await;
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    world.container("sensor").await;
    daemon.stop().await;
    world.provisioning = world.provisioning.replace("DeviceId=Edge-A", "DeviceId=Edge-B");
    let daemon = world.start().await;
    // Those of the other device are seen by nobody.
    assert_eq!(daemon.handle.runtime().list().await, Ok(Vec::new()));
    world.container("sensor").await;
    assert_eq!(daemon.handle.runtime().list().await.unwrap().len(), 1);
    daemon.stop().await;
    // An engine that is down keeps nobody waiting for that.
    world.machine.set_down(true);
    let daemon = world.start().await;
    assert!(matches!(daemon.handle.runtime().list().await, Err(skerry_runtime::EngineError::Down { .. })));
    daemon.stop().await;
}

#[tokio::test]
async fn a_file_in_the_place_of_a_socket_is_nobodys_to_remove() {
    let world = World::new().await;
    fs::create_dir_all(world.path("run")).unwrap();
    fs::write(world.path("run/mgmt.sock"), "precious").unwrap();
    let error = world.try_start(world.options()).await.err().unwrap().to_string();
    assert!(error.contains("mgmt.sock is no socket"), "{error}");
    assert_eq!(fs::read_to_string(world.path("run/mgmt.sock")).unwrap(), "precious");
}

#[tokio::test]
async fn an_agent_in_this_process_gets_sockets_with_its_containers() {
    let world = World::new().await;
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    world.container("first").await;
    let engine = daemon.handle.runtime();
    let request = skerry_runtime::CreateRequest {
        name: "sensor".into(),
        image: "image:1".into(),
        env: Vec::new(),
        options: serde_json::Map::new(),
    };
    engine.create(&request).await.unwrap();
    assert_eq!(
        daemon.handle.workload_directory().join("sensor/workload.sock"),
        world.module_socket("sensor")
    );
    assert_eq!(daemon.handle.workload_uri(), "unix:///var/run/iotedge/workload.sock");
    assert_eq!(daemon.handle.host_name(), "edge-a.plant.lan");
    assert!(is_open(&world.module_socket("sensor")).await);
    engine.start("sensor").await.unwrap();
    engine.remove("sensor").await.unwrap();
    assert!(!world.module_socket("sensor").exists());
    // One that somebody else has made gets its socket when it starts.
    assert!(!world.module_socket("first").exists());
    engine.start("first").await.unwrap();
    assert!(is_open(&world.module_socket("first")).await);
    assert!(engine.start("absent").await.is_err());
    assert!(!world.module_socket("absent").exists());
    let unusable = skerry_runtime::CreateRequest { name: "../x".into(), ..request };
    assert!(engine.create(&unusable).await.is_err());
    daemon.stop().await;
}
