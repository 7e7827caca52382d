//! What goes wrong is told by its kind, with the engine's own words.

use std::time::Duration;

use serde_json::json;
use skerry_runtime::{
    CreateError, Credentials, EngineError, LogQuery, PullError, PullRequest, Runtime as _, State,
};

use super::engine::{Engine, LOCKED, OPEN, PASSWORD, USER};
use crate::conformance::{request, with_options};

const RUNS: &[&str] = &["CMD [\"/helper\"]"];

fn ask(image: &str, password: Option<&str>) -> PullRequest {
    let credentials = password.map(|password| Credentials {
        address: LOCKED.to_owned(),
        username: USER.to_owned(),
        password: password.to_owned(),
        email: None,
    });
    PullRequest { image: image.to_owned(), credentials }
}

#[tokio::test]
async fn a_registry_wants_its_password() {
    let mut engine = Engine::start();
    engine.serve();
    engine.docker(&["login", LOCKED, "--username", USER, "--password", PASSWORD]).unwrap();
    let image = format!("{LOCKED}/secret:1");
    engine.publish(&image, RUNS);
    let runtime = engine.runtime();
    for wrong in [None, Some("mutiny")] {
        let error = runtime.pull(&ask(&image, wrong), &|_| {}).await.unwrap_err();
        assert!(matches!(error, PullError::Auth { .. }), "{wrong:?} {error:?}");
        assert!(!error.to_string().contains("mutiny"), "{error}");
    }
    let id = runtime.pull(&ask(&image, Some(PASSWORD)), &|_| {}).await.unwrap();
    assert_eq!(runtime.image(&image).await.unwrap(), Some(id));
}

#[tokio::test]
async fn a_registry_that_is_away_is_told_from_an_image_that_is_not_there() {
    let mut engine = Engine::start();
    engine.serve();
    let image = format!("{OPEN}/runs:1");
    engine.publish(&image, RUNS);
    let runtime = engine.runtime();
    let error = runtime.pull(&ask(&format!("{OPEN}/runs:2"), None), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::NotFound { .. }), "{error:?}");
    let error = runtime.pull(&ask("Not A Reference", None), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Reference { .. }), "{error:?}");
    engine.go_offline();
    let error = runtime.pull(&ask(&image, None), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Network { .. }), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let mut engine = Engine::start_on_disk_of(32);
    engine.serve();
    let image = format!("{OPEN}/runs:1");
    engine.publish(&image, RUNS);
    engine.fill_disk();
    let error = engine.runtime().pull(&ask(&image, None), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::DiskFull { .. }), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn what_the_engine_refuses_is_told_in_its_words() {
    let engine = Engine::start();
    engine.import("runs:1", RUNS);
    let runtime = engine.runtime();
    let options = json!({"HostConfig": {"Memory": "much"}});
    let error = runtime.create(&with_options("mod-a", "runs:1", options)).await.unwrap_err();
    assert!(matches!(&error, CreateError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("Memory"), "{error}");
    assert!(!error.is_passing());

    let options = json!({"Entrypoint": ["/no-such-program"]});
    runtime.create(&with_options("mod-b", "runs:1", options)).await.unwrap();
    let error = runtime.start("mod-b").await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("no-such-program"), "{error}");
    let seen = runtime.inspect("mod-b").await.unwrap();
    assert!(seen.reason.unwrap().contains("no-such-program"));
}

#[tokio::test]
async fn an_engine_that_is_down_is_told_and_ends_every_stream() {
    let mut engine = Engine::start();
    engine.import("runs:1", RUNS);
    let runtime = engine.runtime();
    runtime.create(&request("mod-a", "runs:1")).await.unwrap();
    runtime.start("mod-a").await.unwrap();
    let follow = LogQuery { follow: true, ..LogQuery::default() };
    let mut logs = runtime.logs("mod-a", &follow).await.unwrap();
    let mut events = runtime.events().await.unwrap();
    engine.kill();
    assert!(matches!(runtime.list().await, Err(EngineError::Down { .. })));
    assert!(matches!(events.next().await, Err(EngineError::Down { .. })));
    // Whether the end of the stream was told or broken off, it is over.
    assert!(!matches!(logs.next().await, Ok(Some(_))));
    let error = runtime.pull(&ask("runs:1", None), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Engine(EngineError::Down { .. })), "{error:?}");
    let error = runtime.create(&request("mod-b", "runs:1")).await.unwrap_err();
    assert!(error.is_passing());
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _deaf = tokio::net::UnixListener::bind(&socket).unwrap();
    let options = skerry_runtime::DockerOptions {
        call_timeout: Duration::from_millis(200),
        pull_stall: Duration::from_millis(200),
        ..skerry_runtime::DockerOptions::new(&socket)
    };
    let runtime = skerry_runtime::DockerRuntime::new(options);
    assert!(matches!(runtime.list().await, Err(EngineError::Late { .. })));
    let error = runtime.pull(&ask("runs:1", None), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Engine(EngineError::Late { .. })), "{error:?}");
}

#[tokio::test]
async fn what_is_written_is_kept_within_limits() {
    let engine = Engine::start();
    // Five megabytes, where two files of one are kept.
    engine.import("writes:1", &["CMD [\"/helper\", \"write\", \"50000\"]"]);
    let options = skerry_runtime::DockerOptions {
        rules: skerry_runtime::CreateRules {
            allow_elevated: true,
            log_limits: Some(skerry_runtime::LogLimits { bytes_max: 1 << 20, files_max: 2 }),
        },
        ..engine.options()
    };
    let runtime = skerry_runtime::DockerRuntime::new(options);
    runtime.create(&request("mod-a", "writes:1")).await.unwrap();
    runtime.start("mod-a").await.unwrap();
    let last = format!("{:099}\n", 49_999);
    let mut kept = 0;
    while kept == 0 {
        let mut stream = runtime.logs("mod-a", &LogQuery::default()).await.unwrap();
        let mut frames = skerry_runtime::LogFrames::default();
        let mut lines = Vec::new();
        while let Some(piece) = stream.next().await.unwrap() {
            frames.push(&piece);
            lines.extend(std::iter::from_fn(|| frames.next_frame()));
        }
        if lines.last().is_some_and(|line| line.text == last) {
            kept = lines.len();
        }
        assert_eq!(runtime.inspect("mod-a").await.unwrap().state, State::Running);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(kept < 21_000, "{kept} lines of 100 bytes are kept");
}
