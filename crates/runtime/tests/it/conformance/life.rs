//! Containers are made, run, end and go.

use serde_json::json;
use skerry_model::Timestamp;
use skerry_runtime::{CreateError, EngineError, Health, NetworkOptions, State, Status, labels};

use super::{Bed, pull, request, run, until, with_options};

pub(crate) async fn lives_and_dies(bed: &dyn Bed) {
    let (runtime, images) = (bed.runtime(), bed.images());
    pull(bed, images.runs).await;
    runtime.create(&request("mod-a", images.runs)).await.unwrap();
    let made = runtime.inspect("mod-a").await.unwrap();
    assert_eq!((made.status(), made.state, made.pid), (Status::Stopped, State::Created, None));
    assert_eq!((made.started, made.exit), (None, None));

    runtime.start("mod-a").await.unwrap();
    let runs = until(bed, "mod-a", |a| a.state == State::Running).await;
    assert_eq!(runs.image(), images.runs);
    assert!(runs.started.unwrap() > Timestamp::NEVER);
    let pid = runs.pid.unwrap();
    assert!(runtime.processes("mod-a").await.unwrap().contains(&pid));
    assert!(runtime.stats("mod-a").await.unwrap().is_object());

    runtime.restart("mod-a").await.unwrap();
    until(bed, "mod-a", |a| a.state == State::Running && a.pid != Some(pid)).await;

    runtime.stop("mod-a", None).await.unwrap();
    let stopped = runtime.inspect("mod-a").await.unwrap();
    assert_eq!((stopped.status(), stopped.exit.unwrap().code), (Status::Stopped, 0));
    assert!(matches!(runtime.stats("mod-a").await, Err(EngineError::Conflict { .. })));
    runtime.remove("mod-a").await.unwrap();
    assert!(runtime.list().await.unwrap().is_empty());
}

pub(crate) async fn exits_are_told(bed: &dyn Bed) {
    run(bed, "mod-a", bed.images().fails).await;
    let ended = until(bed, "mod-a", |a| a.state == State::Exited).await;
    assert_eq!((ended.status(), ended.exit.unwrap().code), (Status::Failed, 3));
    assert!(!ended.exit.unwrap().at.is_never());
}

pub(crate) async fn names_are_taken_once(bed: &dyn Bed) {
    let (runtime, images) = (bed.runtime(), bed.images());
    pull(bed, images.runs).await;
    runtime.create(&request("mod-a", images.runs)).await.unwrap();
    let second = runtime.create(&request("mod-a", images.runs)).await;
    assert_eq!(second, Err(CreateError::Exists { name: "mod-a".to_owned() }));
    // A running one is removed as well.
    runtime.start("mod-a").await.unwrap();
    runtime.remove("mod-a").await.unwrap();
    runtime.create(&request("mod-a", images.runs)).await.unwrap();
}

pub(crate) async fn asking_twice_is_no_error(bed: &dyn Bed) {
    let runtime = bed.runtime();
    run(bed, "mod-a", bed.images().runs).await;
    runtime.start("mod-a").await.unwrap();
    runtime.stop("mod-a", None).await.unwrap();
    runtime.stop("mod-a", None).await.unwrap();
    runtime.remove("mod-a").await.unwrap();
    runtime.remove("mod-a").await.unwrap();
    let network = NetworkOptions { name: "skerry-test".to_owned(), ..NetworkOptions::default() };
    runtime.ensure_network(&network).await.unwrap();
    runtime.ensure_network(&network).await.unwrap();
    let networks = runtime.networks().await.unwrap();
    assert_eq!(networks.iter().filter(|found| found["Name"] == "skerry-test").count(), 1);
}

pub(crate) async fn options_pass_through(bed: &dyn Bed) {
    let (runtime, images) = (bed.runtime(), bed.images());
    pull(bed, images.runs).await;
    let options = json!({
        "Env": ["FROM=options"], "Labels": {"color": "blue"}, "Hostname": "buoy", "NoSuchMember": {"mod-a": 1},
        "HostConfig": {"Memory": 33_554_432, "CapDrop": ["NET_RAW"]}
    });
    let mut asked = with_options("mod-a", images.runs, options);
    asked.env = vec![("FROM".to_owned(), "manifest".to_owned()), ("MORE".to_owned(), "1".to_owned())];
    runtime.create(&asked).await.unwrap();
    let labels = runtime.inspect("mod-a").await.unwrap().labels;
    assert_eq!(labels["color"], "blue");
    assert_eq!(labels[labels::OWNER], labels::OWNER_AGENT);
    assert_eq!(labels[labels::ORIGINAL_IMAGE], images.runs);
    let document = runtime.document("mod-a").await.unwrap();
    assert_eq!(document["Config"]["Hostname"], "buoy");
    assert_eq!(document["HostConfig"]["Memory"], 33_554_432);
    assert_eq!(document["HostConfig"]["CapDrop"], json!(["NET_RAW"]));
    assert_eq!(document["HostConfig"]["LogConfig"]["Config"]["max-size"], "10485760");
    let env = document["Config"]["Env"].as_array().unwrap();
    assert!(env.contains(&json!("FROM=options")) && env.contains(&json!("MORE=1")), "{env:?}");
}

pub(crate) async fn only_ours_are_listed(bed: &dyn Bed) {
    let (runtime, images) = (bed.runtime(), bed.images());
    run(bed, "mod-b", images.runs).await;
    run(bed, "mod-a", images.runs).await;
    let names: Vec<String> = runtime.list().await.unwrap().into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["mod-a", "mod-b"]);
}

pub(crate) async fn health_is_told(bed: &dyn Bed) {
    run(bed, "mod-a", bed.images().sick).await;
    let sick = until(bed, "mod-a", |a| a.health == Some(Health::Unhealthy)).await;
    assert_eq!(sick.status(), Status::Running);
    bed.runtime().stop("mod-a", None).await.unwrap();
    assert_eq!(bed.runtime().inspect("mod-a").await.unwrap().health, None);
}

pub(crate) async fn changes_are_told(bed: &dyn Bed) {
    let (runtime, images) = (bed.runtime(), bed.images());
    pull(bed, images.runs).await;
    runtime.create(&request("mod-a", images.runs)).await.unwrap();
    let mut events = runtime.events().await.unwrap();
    // What happens between listening and waiting is not lost.
    runtime.start("mod-a").await.unwrap();
    events.next().await.unwrap();
    until(bed, "mod-a", |a| a.state == State::Running).await;
    runtime.stop("mod-a", None).await.unwrap();
    events.next().await.unwrap();
}

pub(crate) async fn what_is_not_there_is_not_found(bed: &dyn Bed) {
    let runtime = bed.runtime();
    let found = [
        runtime.inspect("ghost").await.map(drop),
        runtime.document("ghost").await.map(drop),
        runtime.start("ghost").await,
        runtime.stop("ghost", None).await,
        runtime.restart("ghost").await,
        runtime.stats("ghost").await.map(drop),
        runtime.processes("ghost").await.map(drop),
        runtime.logs("ghost", &skerry_runtime::LogQuery::default()).await.map(drop),
    ];
    for (index, result) in found.into_iter().enumerate() {
        assert!(matches!(result, Err(EngineError::NotFound { .. })), "{index}: {result:?}");
    }
    let created = runtime.create(&request("mod-a", bed.images().missing)).await;
    assert_eq!(created, Err(CreateError::NoImage { image: bed.images().missing.to_owned() }));
}
