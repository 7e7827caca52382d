//! What lives in the daemon's process, as the APIs show it.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_edge_daemon::{BundleQuery, Files, Part, Parts, View, Witness};
use skerry_model::Clock as _;
use skerry_runtime::{LogFrames, LogQuery};

use crate::world::World;

/// Obeys until it is dropped.
async fn run(part: Arc<Part>, world_now: skerry_model::Timestamp) {
    loop {
        part.asked_to_run().await;
        let round = part.round();
        part.started(world_now);
        part.write(world_now, &format!("round {round}"));
        part.asked_to_end(round).await;
        part.ended(world_now, 0);
    }
}

#[tokio::test]
async fn a_part_looks_like_a_module_and_its_neighbours_do_not_notice() {
    let mut world = World::new().await;
    let (agent, hub) = (Part::new("edgeAgent", "skerry 1.2.3"), Part::new("edgeHub", "skerry 1.2.3"));
    world.parts = Parts::new(vec![Arc::clone(&agent), Arc::clone(&hub)]);
    let now = world.clock.now();
    let running = [Arc::clone(&agent), Arc::clone(&hub)].map(|part| tokio::spawn(run(part, now)));
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    world.container("sensor").await;
    agent.start().await;
    hub.start().await;
    let api = world.management();
    for api in [&api, &world.workload()] {
        let listed = api.get("/modules").await.expect(200);
        let rows: Vec<_> = listed["modules"].as_array().unwrap().iter().collect();
        let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["edgeAgent", "edgeHub", "sensor"]);
        assert_eq!(rows[0]["type"], "built-in");
        assert_eq!(rows[0]["config"]["settings"]["image"], "skerry 1.2.3");
        assert_eq!(rows[0]["status"], json!({ "runtimeStatus": { "status": "running" }, "startTime": now }));
    }
    let said = async |path: &str| {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut frames = LogFrames::default();
        answer.chunks.iter().for_each(|chunk| frames.push(chunk));
        let frames = std::iter::from_fn(|| frames.next_frame());
        frames.map(|frame| String::from_utf8(frame.text.to_vec()).unwrap()).collect::<String>()
    };
    assert_eq!(said("/modules/edgeAgent/logs").await, "round 0\n");

    api.send("POST", "/modules/edgeHub/stop", None).await.expect(204);
    let shown = api.get("/modules/edgeHub").await.expect(200);
    assert_eq!(shown["status"]["runtimeStatus"]["status"], "stopped");
    assert_eq!(shown["status"]["exitStatus"], json!({ "exitTime": now, "statusCode": "0" }));
    api.send("POST", "/modules/edgeHub/start", None).await.expect(204);
    assert_eq!(said("/modules/edgeHub/logs?tail=5").await, "round 0\nround 0\n");
    assert_eq!(said("/modules/edgeAgent/logs").await, "round 0\n", "it was left alone");

    // Whoever has the runtime, the agent for one, reaches them as well, and never has them as containers.
    let runtime = daemon.handle.runtime();
    runtime.restart("edgeAgent").await.unwrap();
    let mut follow =
        runtime.logs("edgeAgent", &LogQuery { follow: true, ..LogQuery::default() }).await.unwrap();
    let mut text = String::new();
    while !text.contains("round 1") {
        text.push_str(&String::from_utf8_lossy(&follow.next().await.unwrap().unwrap()));
    }
    assert_eq!(runtime.list().await.unwrap().len(), 1);

    let bundle = daemon.handle.support_bundle(BundleQuery::default()).await.unwrap();
    let bundle = String::from_utf8_lossy(&bundle);
    for name in ["logs/edgeAgent_log.txt", "inspect/edgeHub.json", "logs/sensor_log.txt"] {
        assert!(bundle.contains(name), "{name}");
    }
    daemon.stop().await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

struct Window;

impl View for Window {
    fn look(&self) -> Pin<Box<dyn Future<Output = Option<Value>> + Send + '_>> {
        Box::pin(async { Some(json!({ "hub": true })) })
    }
}

#[tokio::test]
async fn how_the_agent_is_doing_is_told_while_it_runs() {
    let mut world = World::new().await;
    let agent = Part::new("edgeAgent", "skerry 1.2.3");
    world.parts = Parts::new(vec![Arc::clone(&agent)]);
    let daemon = world.start().await;
    let api = world.management();
    agent.show(Arc::new(Window));
    api.get("/skerry/v1/agent").await.refused(404, "not found");
    agent.started(world.clock.now());
    assert_eq!(api.get("/skerry/v1/agent").await.expect(200), json!({ "hub": true }));
    api.send("POST", "/skerry/v1/agent", None).await.refused(400, "method not allowed");
    agent.ended(world.clock.now(), 0);
    api.get("/skerry/v1/agent").await.refused(404, "not found");
    daemon.stop().await;
}

struct Passerby;

impl Witness for Passerby {
    fn files<'a>(&'a self, query: &'a BundleQuery) -> Files<'a> {
        let seen = format!("seen with {:?}", query.hub.as_deref());
        Box::pin(async move { vec![("check.json".to_owned(), seen.into_bytes())] })
    }
}

#[tokio::test]
async fn a_witness_adds_to_bundles_unless_whoever_asks_is_one() {
    let world = World::new().await;
    let mut options = world.options();
    options.witness = Some(Arc::new(Passerby));
    let daemon = world.try_start(options).await.unwrap();
    let api = world.management();
    let bundle = async |query: &str| {
        let answer = api.get(&format!("/systeminfo/supportbundle?{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8_lossy(&answer.chunks.concat()).into_owned()
    };
    let whole = bundle("iothub_hostname=hub2.test").await;
    assert!(whole.contains("check.jsonseen with Some(\"hub2.test\")"), "{whole}");
    assert!(!bundle("containers_only=true").await.contains("check.json"));
    let made = daemon.handle.support_bundle(BundleQuery::default()).await.unwrap();
    assert!(String::from_utf8_lossy(&made).contains("seen with None"));
    daemon.stop().await;
}
