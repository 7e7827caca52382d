//! Several edge devices on one engine, and images that are given to it.

use skerry_runtime::{DockerOptions, DockerRuntime, EngineError, Runtime as _, labels};

use super::engine::Engine;
use crate::conformance::request;

#[tokio::test]
async fn containers_of_another_place_are_not_ours() {
    let engine = Engine::start();
    engine.import("runs:1", &["CMD [\"/helper\"]"]);
    let at =
        |place: &str| DockerRuntime::new(DockerOptions { place: Some(place.to_owned()), ..engine.options() });
    let (one, other) = (at("/one place"), at("/other"));
    one.create(&request("mod-a", "runs:1")).await.unwrap();
    other.create(&request("mod-b", "runs:1")).await.unwrap();
    let names = async |runtime: &DockerRuntime| -> Vec<String> {
        runtime.list().await.unwrap().into_iter().map(|seen| seen.name).collect()
    };
    assert_eq!(
        (names(&one).await, names(&other).await),
        (vec!["mod-a".to_owned()], vec!["mod-b".to_owned()])
    );
    // Who has chosen no place sees both, and whose they are.
    let all = engine.runtime().list().await.unwrap();
    let places: Vec<&str> = all.iter().map(|seen| seen.labels[labels::PLACE].as_str()).collect();
    assert_eq!(places, ["/one place", "/other"]);

    // Nobody hears of the other's.
    let mut events = one.events().await.unwrap();
    other.start("mod-b").await.unwrap();
    let heard = tokio::time::timeout(std::time::Duration::from_millis(500), events.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    one.start("mod-a").await.unwrap();
    events.next().await.unwrap();
}

#[tokio::test]
async fn an_image_is_given_as_an_archive() {
    let engine = Engine::start();
    engine.import("runs:1", &["CMD [\"/helper\"]"]);
    let file = engine.path("saved.tar");
    engine.docker(&["save", "--output", file.to_str().unwrap(), "runs:1"]).unwrap();
    let runtime = engine.runtime();
    let id = runtime.image("runs:1").await.unwrap().unwrap();
    engine.docker(&["rmi", "runs:1"]).unwrap();
    let archive = std::fs::read(file).unwrap();
    runtime.load(archive.clone().into()).await.unwrap();
    assert_eq!(runtime.image("runs:1").await.unwrap(), Some(id));
    // What is none is refused, in the engine's words.
    let error = runtime.load(archive[..archive.len() / 2].to_vec().into()).await.unwrap_err();
    assert!(matches!(&error, EngineError::Refused { call: "load", .. }), "{error:?}");
}
