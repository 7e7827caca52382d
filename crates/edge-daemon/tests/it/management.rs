//! The management API as the agent and the command line see it.

use serde_json::{Value, json};
use skerry_runtime::{Behaviour, Credentials, Runtime as _, Stream};

use crate::client::Client;
use crate::world::World;

fn spec(name: &str) -> Value {
    json!({
        "name": name,
        "type": "docker",
        "imagePullPolicy": "On-Create",
        "config": {
            "settings": { "image": "image:1", "createOptions": { "HostConfig": { "Binds": [] } } },
            "env": [{ "key": "A", "value": "1" }],
        },
    })
}

fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

#[tokio::test]
async fn a_module_lives_through_the_api() {
    let world = World::new().await;
    world
        .machine
        .publish("image:1", Behaviour::runs().says(Stream::Output, "hello").says(Stream::Error, "oh"));
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    let api = world.management();
    let made = api.post("/modules", &spec("sensor")).await.expect(201);
    assert_eq!(
        made,
        json!({
            "id": "id", "name": "sensor", "type": "docker",
            "config": {
                "settings": { "image": "image:1", "createOptions": { "HostConfig": { "Binds": [] } } },
                "env": [{ "key": "A", "value": "1" }],
            },
            "status": { "runtimeStatus": { "status": "stopped" } },
        })
    );
    assert!(crate::world::is_open(&world.module_socket("sensor")).await, "before it starts");
    let shown = api.get("/modules/sensor").await.expect(200);
    assert_eq!(shown["config"]["env"], json!([]));
    let labels = &shown["config"]["settings"]["createOptions"]["Labels"];
    assert_eq!(labels["net.azure-devices.edge.owner"], "Microsoft.Azure.Devices.Edge.Agent");
    assert_eq!(shown["config"]["settings"]["image"], "image:1");
    assert!(shown["config"]["settings"]["imageHash"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(shown["status"], json!({ "runtimeStatus": { "status": "stopped" } }));

    for (path, status) in [
        ("start", "running"),
        ("start", "running"),
        ("restart", "running"),
        ("stop", "stopped"),
        ("stop", "stopped"),
    ] {
        api.send("POST", &format!("/modules/sensor/{path}"), None).await.expect(204);
        let shown = api.get("/modules/sensor").await.expect(200);
        let found = shown["status"]["runtimeStatus"]["status"].as_str().unwrap();
        // A container that was killed to stop has a code.
        assert!(found == status || (status == "stopped" && found == "failed"), "{path}: {shown}");
    }
    api.send("POST", "/modules/sensor/start", None).await.expect(204);
    let running = api.get("/modules/sensor").await.expect(200);
    assert_eq!(running["status"]["startTime"], "2026-07-01T00:00:00Z");
    assert!(running["status"]["exitStatus"]["statusCode"].is_string(), "it ran before: {running}");

    let updated = api.send("PUT", "/modules/sensor?start=true", Some(&spec("sensor"))).await.expect(201);
    assert_eq!(updated["status"]["runtimeStatus"]["status"], "running");
    assert_eq!(world.machine.starts("sensor"), 1, "a new container");
    let updated = api.send("PUT", "/modules/sensor", Some(&spec("sensor"))).await.expect(201);
    assert_eq!(updated["status"]["runtimeStatus"]["status"], "stopped");
    api.send("POST", "/modules/sensor/prepareupdate", Some(&spec("sensor"))).await.expect(204);

    api.send("DELETE", "/modules/sensor", None).await.expect(204);
    assert_eq!(api.get("/modules").await.expect(200), json!({ "modules": [] }));
    assert!(!world.module_socket("sensor").exists());
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_module_is_told_with_the_engines_status() {
    let world = World::new().await;
    world.machine.publish("image:1", Behaviour::runs());
    let daemon = world.start().await;
    let api = world.management();
    let good = spec("sensor");
    for (body, status, message) in [
        (with(good.clone(), "/config/settings/createOptions", json!("{}")), 422, "cannot be read"),
        (with(good.clone(), "/config/settings/image", json!("")), 400, "image"),
        (with(good.clone(), "/imagePullPolicy", json!("sometimes")), 400, "invalid imagePullPolicy"),
        (with(good.clone(), "/type", json!("snap")), 400, "invalid module type: snap"),
        (
            with(
                good.clone(),
                "/config/env",
                json!([{ "key": "A", "value": "1" }, { "key": "A", "value": "2" }]),
            ),
            400,
            "duplicate env var key: A",
        ),
        (with(good.clone(), "/config/settings/image", json!("absent:1")), 404, "absent:1"),
        (with(good.clone(), "/name", json!("../x")), 400, "container"),
    ] {
        let answer = api.post("/modules", &body).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
        answer.refused(status, message);
    }
    let never = with(
        with(good.clone(), "/imagePullPolicy", json!("never")),
        "/config/settings/image",
        json!("unseen:1"),
    );
    api.post("/modules", &never).await.refused(404, "pull it first");
    api.post("/modules", &good).await.expect(201);
    api.post("/modules", &good).await.refused(409, "exists already");
    for (method, path) in [
        ("GET", "/modules/absent"),
        ("POST", "/modules/absent/start"),
        ("POST", "/modules/absent/restart"),
        ("GET", "/modules/absent/logs"),
        ("PUT", "/modules/absent"),
    ] {
        let body = (method == "PUT").then(|| spec("absent"));
        let answer = api.send(method, path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {path} {answer:?}");
    }
    assert!(!world.module_socket("absent").exists(), "a name alone opens nothing");
    api.send("PUT", "/modules/sensor?start=maybe", Some(&good))
        .await
        .refused(400, "invalid parameter: start");
    api.send("PUT", "/modules/sensor", Some(&spec("other"))).await.refused(400, "invalid parameter: name");
    api.send("POST", "/modules/other/prepareupdate", Some(&good))
        .await
        .refused(400, "invalid parameter: name");
    world.machine.set_down(true);
    api.get("/modules").await.refused(500, "does not answer");
    api.send("DELETE", "/modules/sensor", None).await.refused(500, "does not answer");
    daemon.stop().await;
}

#[tokio::test]
async fn an_image_that_cannot_be_had_stops_nothing() {
    let world = World::new().await;
    world.machine.publish("image:1", Behaviour::runs());
    let daemon = world.start().await;
    let api = world.management();
    api.post("/modules", &spec("sensor")).await.expect(201);
    api.send("POST", "/modules/sensor/start", None).await.expect(204);
    let newer = with(spec("sensor"), "/config/settings/image", json!("image:2"));
    api.send("PUT", "/modules/sensor?start=true", Some(&newer)).await.refused(404, "image:2");
    let shown = api.get("/modules/sensor").await.expect(200);
    assert_eq!(shown["status"]["runtimeStatus"]["status"], "running");
    // One that does not start is replaced all the same, and the answer is the original's.
    world.machine.publish("image:2", Behaviour::cannot_start("no such file"));
    let answer = api.send("PUT", "/modules/sensor?start=true", Some(&newer)).await.expect(201);
    assert_eq!(answer["status"]["runtimeStatus"]["status"], "running");
    daemon.stop().await;
}

#[tokio::test]
async fn registries_get_the_modules_credentials_and_nobody_gets_them_back() {
    let world = World::new().await;
    let credentials = Credentials {
        address: "registry.test".into(),
        username: "u".into(),
        password: "geheim".into(),
        email: None,
    };
    world.machine.publish_private("registry.test/a:1", Behaviour::runs(), credentials);
    let daemon = world.start().await;
    let api = world.management();
    let mut body = with(spec("a1"), "/config/settings/image", json!("registry.test/a:1"));
    api.post("/modules", &body).await.refused(404, "credentials");
    body["config"]["settings"]["auth"] =
        json!({ "username": "u", "password": "geheim", "serveraddress": "registry.test" });
    let made = api.post("/modules", &body).await.expect(201);
    assert!(!made.to_string().contains("geheim"), "{made}");
    daemon.stop().await;
}

#[tokio::test]
async fn the_workload_socket_is_mounted_by_its_directory() {
    let world = World::new().await;
    world.machine.publish("image:1", Behaviour::runs());
    let daemon = world.start().await;
    let mnt = world.path("edged/mnt");
    let bind = format!("{}/sensor.sock:/var/run/iotedge/workload.sock", mnt.display());
    let body =
        with(spec("sensor"), "/config/settings/createOptions/HostConfig/Binds", json!([bind, "/data:/data"]));
    world.management().post("/modules", &body).await.expect(201);
    let document = world.runtime.document("sensor").await.unwrap();
    let expected = format!("{}/sensor:/var/run/iotedge", mnt.display());
    assert!(document.to_string().contains(&expected), "{document}");
    daemon.stop().await;
}

#[tokio::test]
async fn logs_come_frame_by_frame_in_chunks() {
    let world = World::new().await;
    world
        .machine
        .publish("image:1", Behaviour::runs().says(Stream::Output, "one").says(Stream::Error, "two"));
    let daemon = world.start().await;
    let api = world.management();
    api.post("/modules", &spec("sensor")).await.expect(201);
    api.send("POST", "/modules/sensor/start", None).await.expect(204);
    let answer = api.get("/modules/sensor/logs").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain")));
    let chunks: Vec<(u8, &[u8])> = answer.chunks.iter().map(|chunk| (chunk[0], &chunk[8..])).collect();
    assert_eq!(chunks, [(1, b"one\n".as_slice()), (2, b"two\n")]);
    for chunk in &answer.chunks {
        assert_eq!(u32::from_be_bytes(chunk[4..8].try_into().unwrap()) as usize, chunk.len() - 8);
    }
    let tail = api.get("/modules/sensor/logs?tail=1").await;
    assert_eq!(tail.chunks.len(), 1);
    for (query, told) in [
        ("since=yesterday", "since"),
        ("until=x", "until"),
        ("tail=-1", "tail"),
        ("follow=yes", "follow"),
        ("timestamps=1", "timestamps"),
    ] {
        let refused = api.get(&format!("/modules/sensor/logs?{query}")).await;
        refused.refused(400, &format!("invalid parameter: {told}"));
    }
    for query in ["since=1%20day&until=2026-07-02T00:00:00%2B02:00", "since=0", "tail=all&follow=false"] {
        assert_eq!(api.get(&format!("/modules/sensor/logs?{query}")).await.status, 200, "{query}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn strangers_read_but_change_nothing_and_the_agent_in_its_container_may() {
    let mut world = World::new().await;
    world.owners = Vec::new();
    world.machine.publish("image:1", Behaviour::runs());
    let daemon = world.start().await;
    let api = world.management();
    let guarded = |client: Client| async move {
        let mut statuses = Vec::new();
        for (method, path, body) in [
            ("POST", "/modules", Some(spec("sensor"))),
            ("PUT", "/modules/sensor", Some(spec("sensor"))),
            ("POST", "/modules/sensor/prepareupdate", Some(spec("sensor"))),
            ("POST", "/identities", Some(json!({ "moduleId": "sensor" }))),
            ("PUT", "/identities/sensor", Some(json!({}))),
            ("DELETE", "/identities/sensor", None),
            ("DELETE", "/modules/sensor", None),
            ("POST", "/device/reprovision", None),
        ] {
            statuses.push(client.send(method, path, body.as_ref()).await.status);
        }
        statuses
    };
    assert_eq!(guarded(api.clone()).await, [403; 8]);
    api.send("POST", "/skerry/v1/reload", None).await.refused(403, "forbidden");
    for path in ["/modules", "/identities", "/systeminfo", "/systeminfo/resources"] {
        api.get(path).await.expect(200);
    }
    world.processes.are_in("edgeAgent");
    assert_eq!(guarded(api).await, [201, 201, 204, 200, 200, 204, 204, 204]);
    assert_eq!(daemon.ended().await, skerry_edge_daemon::Outcome::Reprovision);
}

#[tokio::test]
async fn the_machine_tells_what_it_is() {
    let mut world = World::new().await;
    std::fs::write(world.path("info.toml"), "site = 'north'\nosType = 'Other'\n").unwrap();
    world.more = format!("additional_info = 'file://{}'\n", world.path("info.toml").display());
    let daemon = world.start().await;
    let info = world.management().get("/systeminfo").await.expect(200);
    assert_eq!(
        (&info["osType"], &info["version"], &info["site"]),
        (&json!("Linux"), &json!("1.2.3"), &json!("north"))
    );
    assert_eq!(info["provisioning"]["type"], "ProvisioningType");
    assert!(info["cpus"].as_u64().unwrap() > 0 && info["total_memory"].as_u64().unwrap() > 0, "{info}");
    assert!(info["server_version"].is_string() && info["virtualized"].is_string(), "{info}");
    let resources = world.management().get("/systeminfo/resources").await.expect(200);
    for key in ["host_uptime", "process_uptime", "used_cpu", "used_ram", "total_ram"] {
        assert!(resources[key].is_number(), "{key}: {resources}");
    }
    assert!(resources["disks"].is_array() && resources["docker_stats"].is_string(), "{resources}");
    world.machine.set_down(true);
    let info = world.management().get("/systeminfo").await.expect(200);
    assert!(info.get("server_version").is_none(), "an engine that is down is no reason to say nothing");
    daemon.stop().await;
}

#[tokio::test]
async fn a_support_bundle_is_an_archive_that_others_read() {
    let world = World::new().await;
    world
        .machine
        .publish("image:1", Behaviour::runs().says(Stream::Output, "hello").says(Stream::Error, "oh"));
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    let api = world.management();
    for name in ["sensor", "edgeHub"] {
        api.post("/modules", &spec(name)).await.expect(201);
        api.send("POST", &format!("/modules/{name}/start"), None).await.expect(204);
    }
    let names = async |query: &str| {
        let answer = api.get(&format!("/systeminfo/supportbundle{query}")).await;
        let headers =
            ["content-type", "content-encoding"].map(|name| answer.header(name).unwrap().to_owned());
        assert_eq!((answer.status, headers), (200, ["application/zip".to_owned(), "deflate".to_owned()]));
        let path = world.path("bundle.zip");
        std::fs::write(&path, answer.body()).unwrap();
        let script = "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None\n\
                      for i in z.infolist(): print(i.filename,i.date_time[:3],len(z.read(i)))";
        let listed = std::process::Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        String::from_utf8(listed.stdout).unwrap()
    };
    let all = names("?since=1%20day").await;
    for file in [
        "logs/sensor_log.txt (2026, 7, 1)",
        "inspect/sensor.json",
        "logs/edgeHub_log.txt",
        "network/azure-iot-edge.json",
    ] {
        assert!(all.contains(file), "{file}: {all}");
    }
    let own = names("?edge_runtime_only=true&iothub_hostname=hub.test").await;
    assert!(own.contains("logs/edgeHub_log.txt") && !own.contains("sensor"), "{own}");
    api.get("/systeminfo/supportbundle?since=x").await.refused(400, "invalid parameter: since");
    api.get("/systeminfo/supportbundle?api-version=2019-11-05").await.refused(400, "invalid api-version");
    assert!(
        !daemon.handle.support_bundle(skerry_edge_daemon::BundleQuery::default()).await.unwrap().is_empty()
    );
    world.machine.set_down(true);
    api.get("/systeminfo/supportbundle").await.refused(500, "does not answer");
    daemon.stop().await;
}
