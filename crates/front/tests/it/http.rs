use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, answer, request, until, within};

#[tokio::test]
async fn http1_serves_requests_one_after_the_other_on_one_connection() {
    let world = World::start();
    let mut sender = within(world.client(&["http/1.1"]).http1()).await;
    for body in ["one", "two", ""] {
        let response = within(sender.send_request(request("/", body))).await.unwrap();
        let expected = format!("HTTP/1.1 b{body:?}");
        assert_eq!(within(answer(response)).await.unwrap(), (200, expected));
    }
    assert_eq!(world.handle.figures().http_requests.get(), 3);
    assert_eq!(world.handle.figures().handshakes_done.get(), 1);
    drop(sender);
    world.stopped().await;
}

#[tokio::test]
async fn http2_serves_requests_side_by_side() {
    let world = World::start();
    let sender = within(world.client(&["h2"]).http2()).await;
    let hanging = tokio::spawn(sender.clone().send_request(request("/hang", "")));
    within(world.service.hanging.notified()).await;
    for n in 0..50 {
        let response = within(sender.clone().send_request(request("/", format!("{n}")))).await.unwrap();
        assert_eq!(within(answer(response)).await.unwrap(), (200, format!("HTTP/2.0 b\"{n}\"")));
    }
    world.service.release.notify_one();
    assert_eq!(within(answer(within(hanging).await.unwrap().unwrap())).await.unwrap().1, "released");
    drop(sender);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_without_alpn_gets_http1() {
    let world = World::start();
    assert_eq!(within(world.client(&[]).get("/")).await.unwrap(), (200, "HTTP/1.1 b\"\"".to_owned()));
    world.stopped().await;
}

#[tokio::test]
async fn a_streamed_body_arrives_whole_and_a_cut_one_is_an_error() {
    let world = World::start();
    for alpn in ["http/1.1", "h2"] {
        let client = world.client(&[alpn]);
        let get = async |path: &str| {
            if alpn == "h2" {
                let mut sender = client.http2().await;
                answer(sender.send_request(request(path, "")).await?).await
            } else {
                client.get(path).await
            }
        };
        assert_eq!(within(get("/stream")).await.unwrap(), (200, "0123456789".repeat(100)), "{alpn}");
        assert!(within(get("/cut")).await.is_err(), "{alpn}");
    }
    assert_eq!(world.handle.figures().http_handlers_panicked.get(), 0);
    world.stopped().await;
}

#[tokio::test]
async fn a_panic_closes_its_connection_is_counted_and_disturbs_nobody_else() {
    let world = World::start();
    let mut other = within(world.client(&["http/1.1"]).http1()).await;
    within(answer(within(other.send_request(request("/", ""))).await.unwrap())).await.unwrap();
    for path in ["/panic", "/panic-in-limits"] {
        let mut one = within(world.client(&["http/1.1"]).http1()).await;
        assert!(within(one.send_request(request(path, "x"))).await.is_err());
        assert!(within(one.send_request(request("/", ""))).await.is_err(), "the connection is closed");

        let mut two = within(world.client(&["h2"]).http2()).await;
        assert!(within(two.send_request(request(path, "x"))).await.is_err());
        until("the connection is closed", || two.is_closed()).await;
    }
    assert_eq!(world.handle.figures().http_handlers_panicked.get(), 4);
    let response = within(other.send_request(request("/", "fine"))).await.unwrap();
    assert_eq!(within(answer(response)).await.unwrap().0, 200);
    assert_eq!(world.handle.figures().http_requests_open.get(), 0);
    drop(other);
    world.stopped().await;
}

#[tokio::test]
async fn a_stop_lets_running_requests_finish_and_takes_no_new_ones() {
    for alpn in ["http/1.1", "h2"] {
        let mut world = World::start();
        let client = world.client(&[alpn]);
        let hanging = if alpn == "h2" {
            let mut sender = within(client.http2()).await;
            tokio::spawn(async move { answer(sender.send_request(request("/hang", "")).await?).await })
        } else {
            let mut sender = within(client.http1()).await;
            tokio::spawn(async move { answer(sender.send_request(request("/hang", "")).await?).await })
        };
        let _idle = within(client.connect()).await;
        within(world.service.hanging.notified()).await;
        world.stop();
        until("new clients are refused", || std::net::TcpStream::connect(world.address()).is_err()).await;
        assert!(!world.running.is_finished());
        world.service.release.notify_one();
        assert_eq!(within(hanging).await.unwrap().unwrap(), (200, "released".to_owned()), "{alpn}");
        within(&mut world.running).await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut world = World::with(|options| options.drain = Duration::from_millis(50));
    let mut sender = within(world.client(&["http/1.1"]).http1()).await;
    let hanging = tokio::spawn(async move { sender.send_request(request("/hang", "")).await.map(drop) });
    let sender = within(world.client(&["h2"]).http2()).await;
    let streaming = tokio::spawn(sender.clone().send_request(request("/hang", "")));
    within(world.service.hanging.notified()).await;
    within(world.service.hanging.notified()).await;
    world.stop();
    within(&mut world.running).await.unwrap();
    assert!(within(hanging).await.unwrap().is_err());
    assert!(within(streaming).await.unwrap().is_err());
    let figures = world.handle.figures();
    until("nothing runs on", || figures.http_requests_open.get() == 0).await;
    assert_eq!(figures.connections_open.get(), 0);
}

#[tokio::test]
async fn a_handler_ends_when_its_client_goes_away() {
    let world = World::start();
    for alpn in ["http/1.1", "h2"] {
        let mut stream = within(world.client(&[alpn]).connect()).await;
        if alpn == "h2" {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(
                hyper_util::rt::TokioExecutor::new(),
                hyper_util::rt::TokioIo::new(stream),
            )
            .await
            .unwrap();
            let connection = tokio::spawn(connection);
            let asking =
                tokio::spawn(async move { sender.send_request(request("/hang", "")).await.map(drop) });
            within(world.service.hanging.notified()).await;
            connection.abort();
            asking.abort();
        } else {
            stream.write_all(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            within(world.service.hanging.notified()).await;
            drop(stream);
        }
        until("the handler is gone", || world.handle.figures().http_requests_open.get() == 0).await;
    }
    world.stopped().await;
}

#[tokio::test]
async fn the_service_sees_the_peer_and_the_client_sees_headers_in_lower_case() {
    let world = World::start();
    let mut stream = within(world.client(&["http/1.1"]).connect()).await;
    let own = stream.get_ref().0.local_addr().unwrap().to_string();
    within(stream.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await.unwrap();
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await.unwrap();
    assert!(text.contains("\r\ncontent-length: ") && text.ends_with(&own), "{text}");
    world.stopped().await;
}

#[tokio::test]
async fn a_body_in_many_pieces_is_put_together() {
    let world = World::start();
    let mut stream = within(world.client(&["http/1.1"]).connect()).await;
    within(stream.write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"))
        .await
        .unwrap();
    for _ in 0..100 {
        within(stream.write_all(b"a\r\n0123456789\r\n")).await.unwrap();
        within(stream.flush()).await.unwrap();
    }
    within(stream.write_all(b"0\r\n\r\n")).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = within(stream.read(&mut answer)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).ends_with("\r\n\r\n1000"));
    drop(stream);
    assert_eq!(world.handle.figures().http_body_bytes.get(), 0);

    let mut sender = within(world.client(&["h2"]).http2()).await;
    let response = within(sender.send_request(request("/length", vec![0; 1024 * 1024]))).await.unwrap();
    assert_eq!(within(response.into_body().collect()).await.unwrap().to_bytes(), "1048576");
    drop(sender);
    world.stopped().await;
}
