//! Calls to the hub: tries, waits, proxies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use skerry_edge_daemon::cloud::{
    Clocks, Cloud, CloudError, CloudOptions, CloudRequest, CloudResponse, NetworkError, Proof, ProxySettings,
    Sending, Transport,
};
use skerry_keys::{FileKeyStore, FileOptions, KeyStore};
use skerry_model::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::clock::{Dice, START, SetClock};
use crate::world::{World, own_uid};

/// Answers as told, in turn.
struct Script(Mutex<VecDeque<Option<u16>>>);

impl Transport for Script {
    fn send<'a>(&'a self, request: &'a CloudRequest, authorization: Option<&'a str>) -> Sending<'a> {
        assert_eq!(request.path, "/devices/d/modules?api-version=2017-11-08-preview");
        assert!(authorization.unwrap().starts_with("SharedAccessSignature sr=hub.test%2Fdevices%2Fd&sig="));
        let next = self.0.lock().unwrap().pop_front().expect("no more tries than told");
        Box::pin(async move {
            match next {
                Some(status) => {
                    let status = StatusCode::from_u16(status).unwrap();
                    Ok(CloudResponse { status, date: None, body: "[]".into() })
                }
                None => Err(NetworkError { place: "hub.test".into(), reason: "no way".into() }),
            }
        })
    }
}

/// What came of a call, and how many seconds it took.
async fn call(script: &[Option<u16>], retries: u32) -> (Result<usize, CloudError>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeyStore::open(FileOptions {
        directory: folder.path().join("keys"),
        preloaded: BTreeMap::new(),
        owner: own_uid(),
        random: Arc::new(Dice::default()),
    })
    .unwrap();
    keys.import_key("device-id", &[7; 32]).unwrap();
    let script = Arc::new(Script(Mutex::new(script.iter().copied().collect())));
    let cloud = Cloud::new(CloudOptions {
        device: "d".parse().unwrap(),
        transport: script.clone(),
        proof: Proof::key(Arc::new(keys), "hub.test", "d", Arc::new(SetClock::default())),
        retries,
        clocks: Arc::new(Clocks::new(Arc::new(SetClock::default()))),
        random: Arc::new(Dice::default()),
    });
    let before = Instant::now();
    let outcome = cloud.list().await.map(|modules| modules.len());
    assert!(script.0.lock().unwrap().is_empty(), "every try was made");
    (outcome, before.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn trouble_is_tried_again_as_often_as_configured() {
    assert_eq!(call(&[Some(200)], 1).await, (Ok(0), 0));
    assert_eq!(call(&[None, Some(200)], 1).await, (Ok(0), 3));
    assert_eq!(call(&[Some(500), Some(200)], 1).await, (Ok(0), 3));
    let (outcome, seconds) = call(&[None, None, None], 2).await;
    assert!(matches!(outcome, Err(CloudError::Network(_))), "{outcome:?}");
    assert_eq!(seconds, 6);
    let (outcome, seconds) = call(&[Some(503)], 0).await;
    assert!(matches!(outcome, Err(CloudError::Network(_))), "a parent without its hub: {outcome:?}");
    assert_eq!(seconds, 0);
    for status in [400, 401, 403, 404, 412] {
        let (outcome, seconds) = call(&[Some(status)], 5).await;
        assert!(
            matches!(outcome, Err(CloudError::Refused { status: found, .. }) if found == status),
            "{outcome:?}"
        );
        assert_eq!(seconds, 0, "asking again does not help against {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_asked_too_often_is_given_time() {
    let (outcome, seconds) = call(&[Some(429), Some(200)], 0).await;
    assert_eq!(outcome, Ok(0));
    assert!((60..=66).contains(&seconds), "{seconds}");
    let (outcome, seconds) = call(&[Some(429); 5], 0).await;
    assert_eq!(outcome, Err(CloudError::Throttled));
    assert!((660..=726).contains(&seconds), "60, 120, 180 and 300 with their jitter: {seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_is_seen_without_the_hub() {
    let own = Arc::new(SetClock::default());
    let clocks = Clocks::new(own.clone());
    assert_eq!(clocks.ahead_seconds(), None, "nobody has told");
    clocks.note(Timestamp::from_unix_seconds(START + 7200));
    assert_eq!(clocks.ahead_seconds(), Some(-7200));
    own.pass(Duration::from_secs(7200));
    assert_eq!(clocks.ahead_seconds(), Some(0), "it was set right");
    // Time passes for both.
    tokio::time::advance(Duration::from_secs(86_400)).await;
    own.pass(Duration::from_secs(86_400));
    assert_eq!(clocks.ahead_seconds(), Some(0));
    own.pass(Duration::from_secs(3600));
    assert_eq!(clocks.ahead_seconds(), Some(3600));
}

/// A proxy that tunnels to wherever the hub is, for those who know the password.
async fn proxy(hub_port: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                noted.lock().unwrap().push(head.clone());
                if !head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n") {
                    let _ = client.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").await;
                    return;
                }
                let mut hub = TcpStream::connect(("127.0.0.1", hub_port)).await.unwrap();
                client.write_all(b"HTTP/1.1 200 Go\r\nX: y\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut hub).await;
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn the_hub_is_reached_through_a_proxy() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    world.hub.put("a", "1");
    let (port, seen) = proxy(world.hub.port).await;
    let mut options = world.options();
    options.proxy = ProxySettings::new(Some(&format!("http://user:pass@127.0.0.1:{port}")), None).unwrap();
    let daemon = world.try_start(options).await.unwrap();
    assert_eq!(daemon.handle.identities().list().await.unwrap().len(), 1);
    let connect = format!("CONNECT hub.test:{} HTTP/1.1\r\n", world.hub.port);
    assert!(seen.lock().unwrap()[0].starts_with(&connect), "{seen:?}");
    daemon.stop().await;

    let mut options = world.options();
    options.proxy = ProxySettings::new(Some(&format!("http://127.0.0.1:{port}")), None).unwrap();
    let daemon = world.try_start(options).await.unwrap();
    let error = daemon.handle.identities().update(&"b".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("refuses: HTTP/1.1 407 Who are you"), "{error}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_hub_that_nobody_vouches_for_is_not_spoken_to() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    let other = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap().cert.pem();
    std::fs::write(world.path("hub-root.pem"), other).unwrap();
    let daemon = world.start().await;
    let error = daemon.handle.identities().update(&"a".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("no trusted connection") && error.contains("hub_ca_cert in [skerry]"), "{error}");
    assert!(world.hub.take_seen().is_empty());
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_says_nothing_is_given_up() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.hub.port = deaf.local_addr().unwrap().port();
    let daemon = world.start().await;
    let before = Instant::now();
    let error = daemon.handle.identities().update(&"a".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 70 s"), "{error}");
    assert_eq!(before.elapsed().as_secs(), 70);
    daemon.stop().await;
}
