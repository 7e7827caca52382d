//! What holds for every local API: versions, methods, bodies, throttles. A table against real sockets.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::client::{Answer, Client};
use crate::world::World;

#[tokio::test]
async fn versions_paths_and_methods_are_told_apart() {
    let world = World::new().await;
    let daemon = world.start().await;
    for (client, method, path, status, message) in [
        ("mgmt", "GET", "/modules?noversion", 400, "api-version not specified"),
        ("mgmt", "GET", "/modules?api-version=2021-05-11", 400, "invalid api-version"),
        ("mgmt", "GET", "/modules?api-version=", 400, "invalid api-version"),
        ("mgmt", "GET", "/nothing", 404, "not found"),
        ("mgmt", "GET", "/", 404, "not found"),
        ("mgmt", "GET", "/modules/a/b", 404, "not found"),
        ("mgmt", "GET", "/modules//logs", 404, "not found"),
        ("mgmt", "GET", "/modules/%ff", 404, "not found"),
        ("mgmt", "PATCH", "/modules", 400, "method not allowed"),
        ("mgmt", "POST", "/modules/a", 400, "method not allowed"),
        ("mgmt", "GET", "/modules/a/start", 400, "method not allowed"),
        ("mgmt", "PUT", "/identities", 400, "method not allowed"),
        ("mgmt", "POST", "/systeminfo", 400, "method not allowed"),
        ("mgmt", "GET", "/device/reprovision", 400, "method not allowed"),
        ("mgmt", "POST", "/device/reprovision?api-version=2019-01-30", 400, "invalid api-version"),
        ("mgmt", "POST", "/modules/a/prepareupdate?api-version=2018-06-28", 400, "invalid api-version"),
        ("mgmt", "GET", "/systeminfo/resources?api-version=2019-10-22", 400, "invalid api-version"),
        ("workload", "GET", "/trust-bundle?noversion", 400, "api-version not specified"),
        ("workload", "POST", "/trust-bundle", 400, "method not allowed"),
        ("workload", "GET", "/modules/a/genid/1/sign", 400, "method not allowed"),
        ("workload", "GET", "/systeminfo", 404, "not found"),
        ("identityd", "GET", "/trust-bundle", 400, "invalid api-version"),
        ("identityd", "GET", "/identities/provisioning?api-version=2020-09-01", 400, "invalid api-version"),
        ("identityd", "PUT", "/identities/device?api-version=2020-09-01", 400, "method not allowed"),
        ("keyd", "PUT", "/keypair/a?api-version=2020-09-01", 400, "invalid api-version"),
        ("keyd", "GET", "/sign?api-version=2021-05-01", 400, "method not allowed"),
        ("certd", "GET", "/certificates?api-version=2020-09-01", 400, "method not allowed"),
        ("certd", "GET", "/x?api-version=2020-09-01", 404, "not found"),
    ] {
        let answer = world.service(client).send(method, path, None).await;
        assert_eq!(answer.status, status, "{client} {method} {path}: {answer:?}");
        answer.refused(status, message);
    }
    for version in
        ["2018-06-28", "2019-01-30", "2019-10-22", "2019-11-05", "2020-07-07", "2021-12-07", "2022-08-03"]
    {
        for path in ["/modules", "/modules/"] {
            let answer = world.management().get(&format!("{path}?api-version={version}")).await;
            assert_eq!(answer.expect(200), json!({ "modules": [] }), "{version}");
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn bodies_are_json_or_told_what_they_are_not() {
    let world = World::new().await;
    let daemon = world.start().await;
    let (json_kind, text_kind) = ("Content-Type: application/json\r\n", "Content-Type: text/plain\r\n");
    let charset = "Content-Type: Application/JSON; charset=utf-8\r\n";
    for (method, path, kind, body, status, message) in [
        ("POST", "/identities", json_kind, "", 400, "missing request body"),
        ("POST", "/identities", "", "", 400, "missing request body"),
        ("POST", "/identities", text_kind, "{}", 400, "missing request body"),
        ("POST", "/identities", json_kind, "{", 422, "the body cannot be read"),
        ("POST", "/identities", "", "{}", 422, "moduleId"),
        ("POST", "/identities", charset, "{}", 422, "moduleId"),
        ("POST", "/identities", json_kind, "[1]", 422, "cannot be read"),
        ("PUT", "/identities/a", text_kind, "{}", 415, "application/json"),
        ("PUT", "/identities/a", json_kind, "{", 422, "cannot be read"),
        ("PUT", "/modules/a", json_kind, "\u{1}", 422, "cannot be read"),
    ] {
        let answer = world.management().raw(method, path, kind, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method} {path} {kind} {body}: {answer:?}");
        answer.refused(status, message);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_or_too_slow_is_refused() {
    let world = World::new().await;
    let daemon = world.start().await;
    let head = |length: usize| {
        format!(
            "POST /identities?api-version=2020-07-07 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut stream = UnixStream::connect(world.path("run/mgmt.sock")).await.unwrap();
    stream.write_all(head(5 << 20).as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let sending = tokio::spawn(async move {
        let piece = vec![b' '; 64 << 10];
        // Until the other side has had enough.
        while writing.write_all(&piece).await.is_ok() {}
    });
    let mut answer = Vec::new();
    // A reset behind the answer is as good as its end.
    let _ = reading.read_to_end(&mut answer).await;
    sending.abort();
    Answer::parse(&answer, "POST").refused(413, "more than");

    let mut stream = UnixStream::connect(world.path("run/mgmt.sock")).await.unwrap();
    stream.write_all(head(10).as_bytes()).await.unwrap();
    stream.write_all(b"{").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer, "POST").refused(408, "in time");
    daemon.stop().await;
}

#[tokio::test]
async fn a_users_connections_are_counted_and_the_next_one_is_closed() {
    let mut world = World::new().await;
    world.more = "[iotedge_max_requests]\nmanagement = 3\nworkload = 2\n".into();
    let daemon = world.start().await;
    for (socket, most) in [("mgmt", 3), ("workload", 2)] {
        let path = world.path("run").join(format!("{socket}.sock"));
        let mut open = Vec::new();
        for _ in 0..most {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            let ask = "GET /modules?api-version=2020-07-07 HTTP/1.1\r\nHost: x\r\n\r\n";
            stream.write_all(ask.as_bytes()).await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            open.push(stream);
        }
        let mut beyond = UnixStream::connect(&path).await.unwrap();
        assert_eq!(beyond.read(&mut [0; 16]).await.unwrap_or(0), 0, "closed without an answer");
        // Each socket counts for itself, and a place that is free again is given.
        drop(open.pop());
        let client = Client::at(&path);
        let again = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let mut stream = UnixStream::connect(&path).await.unwrap();
                let ask =
                    "GET /modules?api-version=2020-07-07 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                // The place is free when the daemon has seen the other end go.
                if stream.write_all(ask.as_bytes()).await.is_ok() {
                    let mut answer = Vec::new();
                    if stream.read_to_end(&mut answer).await.is_ok() && !answer.is_empty() {
                        return Answer::parse(&answer, "GET");
                    }
                }
                tokio::task::yield_now().await;
            }
        });
        again.await.unwrap().expect(200);
        drop(client);
    }
    let figures = daemon.handle.figures();
    assert!(figures.sockets.throttled.load(std::sync::atomic::Ordering::Relaxed) >= 2);
    daemon.stop().await;
}
