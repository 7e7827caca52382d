use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::world::{BIG, BODY_BYTES_MAX, MEMORY, World, answer, request, until, within};

async fn open(world: &World, text: &str) -> TlsStream<TcpStream> {
    let mut stream = within(world.client(&["http/1.1"]).connect()).await;
    within(stream.write_all(text.as_bytes())).await.unwrap();
    within(stream.flush()).await.unwrap();
    stream
}

/// What comes until the server closes, however it does.
async fn rest(stream: &mut TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_end_in_time_closes_the_connection() {
    let world = World::with(|options| options.http.head_timeout = Duration::from_millis(200));
    let mut silent = open(&world, "").await;
    let mut slow = open(&world, "GET / HTTP/1.1\r\nhost: x\r\nx-more: ").await;
    // One that reads its first response and then dribbles its second head.
    let mut second = open(&world, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(within(second.read(&mut [0; 1024])).await.unwrap() > 0);
    within(second.write_all(b"GET / HT")).await.unwrap();
    for stream in [&mut silent, &mut slow, &mut second] {
        rest(stream).await;
    }
    assert_eq!(world.handle.figures().http_heads_timed_out.get(), 3);
    world.stopped().await;
}

/// The beginning lies in a buffer where nobody sees that it is one: it has the time of an idle connection.
#[tokio::test]
async fn a_head_that_begins_right_behind_another_request_closes_the_connection_as_well() {
    let world = World::with(|options| options.http.idle_timeout = Duration::from_millis(200));
    let mut stream = open(&world, "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT").await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(world.handle.figures().http_idle_closed.get(), 1);
    world.stopped().await;
}

#[tokio::test]
async fn a_dribbled_head_gets_no_more_time_for_each_byte() {
    let world = World::with(|options| options.http.head_timeout = Duration::from_millis(300));
    let stream = open(&world, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let dribble = tokio::spawn(async move {
        while writing.write_all(b"x-a: b\r\n").await.is_ok() && writing.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let _ = within(reading.read_to_end(&mut Vec::new())).await;
    assert_eq!(world.handle.figures().http_heads_timed_out.get(), 1);
    dribble.abort();
    world.stopped().await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed_and_a_busy_one_is_not() {
    let world = World::with(|options| options.http.idle_timeout = Duration::from_millis(200));
    let mut hanging = within(world.client(&["h2"]).http2()).await;
    let hanging =
        tokio::spawn(async move { answer(hanging.send_request(request("/hang", "")).await?).await });
    within(world.service.hanging.notified()).await;
    let mut idle = open(&world, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(rest(&mut idle).await.starts_with("HTTP/1.1 200 OK"));
    let mut sender = within(world.client(&["h2"]).http2()).await;
    within(answer(within(sender.send_request(request("/", ""))).await.unwrap())).await.unwrap();
    until("the idle one is closed", || sender.is_closed()).await;
    assert_eq!(world.handle.figures().http_idle_closed.get(), 2);
    world.service.release.notify_one();
    assert_eq!(within(hanging).await.unwrap().unwrap().1, "released");
    world.stopped().await;
}

#[tokio::test]
async fn too_many_or_too_large_header_fields_are_refused() {
    let world = World::start();
    let many = "x-a: b\r\n".repeat(200);
    let large = format!("x-a: {}\r\n", "b".repeat(70_000));
    for fields in [&many, &large] {
        let mut stream = open(&world, &format!("GET / HTTP/1.1\r\nhost: x\r\n{fields}\r\n")).await;
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "), "{}", &fields[..20]);
    }
    let mut sender = within(world.client(&["h2"]).http2()).await;
    let mut asked = request("/", "");
    for n in 0..200 {
        asked.headers_mut().append("x-a", n.into());
    }
    let refused = within(answer(within(sender.send_request(asked)).await.unwrap())).await.unwrap();
    assert_eq!(refused, (431, "/: the request has more than 100 header fields: send fewer".to_owned()));
    drop(sender);
    world.stopped().await;
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_refused_unread() {
    const DECLARED: usize = 100 * 1024 * 1024;
    let world = World::start();
    let head = format!("POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: {DECLARED}\r\n\r\n");
    let (mut reading, mut writing) = tokio::io::split(open(&world, &head).await);
    // A client that writes on without looking.
    let writing = tokio::spawn(async move {
        let (piece, mut written) = (vec![b'x'; 64 * 1024], 0);
        while written < DECLARED && writing.write_all(&piece).await.is_ok() {
            written += piece.len();
        }
        written
    });
    let mut answer = vec![0; 4096];
    let length = within(reading.read(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(
        answer.ends_with("/upload: the body has more than 1048576 bytes: send less in one request"),
        "{answer}"
    );
    let written = within(writing).await.unwrap();
    // Two socket buffers and what the server throws away before it closes.
    assert!(written < 16 * 1024 * 1024, "{written} bytes were taken");
    assert_eq!(world.handle.figures().http_bodies_too_large.get(), 1);
    assert_eq!(world.handle.figures().http_body_bytes.get(), 0);
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_sends_its_whole_body_first_still_reads_the_refusal() {
    let world = World::start();
    for body in [BODY_BYTES_MAX + 1, 3 * BODY_BYTES_MAX] {
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {body}\r\n\r\n");
        for round in 0..10 {
            let mut stream = open(&world, &head).await;
            within(stream.write_all(&vec![b'x'; body])).await.unwrap();
            within(stream.flush()).await.unwrap();
            assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "), "{body} bytes, round {round}");
        }
    }
    world.stopped().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_when_it_grows_too_large() {
    let world = World::start();
    let stream = open(&world, "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while writing.write_all(piece.as_bytes()).await.is_ok() {}
    });
    let mut answer = [0; 12];
    within(reading.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    within(writing).await.unwrap();

    let mut sender = within(world.client(&["h2"]).http2()).await;
    let refused = within(sender.send_request(request("/", vec![0; BODY_BYTES_MAX + 1]))).await.unwrap();
    assert_eq!(refused.status(), 413);
    let fine = within(sender.send_request(request("/length", vec![0; BODY_BYTES_MAX]))).await.unwrap();
    assert_eq!(fine.status(), 200, "the connection goes on");
    drop((sender, fine, refused));
    world.stopped().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let world = World::start();
    let mut stream = open(&world, "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n123").await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.ends_with("/slow: the body did not arrive in time: send it without pauses"), "{answer}");
    assert_eq!(world.handle.figures().http_bodies_timed_out.get(), 1);
    world.stopped().await;
}

#[tokio::test]
async fn a_malformed_chunk_is_refused() {
    let world = World::start();
    let mut stream =
        open(&world, "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(world.handle.figures().http_bodies_broken.get(), 1);
    world.stopped().await;
}

#[tokio::test]
async fn bodies_over_the_common_budget_wait_and_are_refused_while_small_ones_pass() {
    let world = World::with(|options| options.http.body_budget_bytes = 1024 * 1024);
    let mut hogs = Vec::new();
    for _ in 0..3 {
        hogs.push(open(&world, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n1").await);
    }
    let figures = world.handle.figures();
    until("the budget is taken", || figures.http_body_bytes.get() == 900_000).await;
    let mut late = open(&world, "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n1").await;
    let answer = rest(&mut late).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("/slow: too many bodies are being received: try again in a moment"), "{answer}");
    assert_eq!(figures.http_bodies_without_budget.get(), 1);

    let mut sender = within(world.client(&["http/1.1"]).http1()).await;
    let small = within(sender.send_request(request("/length", vec![0; 1000]))).await.unwrap();
    assert_eq!(within(super::world::answer(small)).await.unwrap(), (200, "1000".to_owned()));

    // One that waits gets its turn when another goes.
    let asking = tokio::spawn(async move {
        super::world::answer(sender.send_request(request("/length", vec![0; 300_000])).await?).await
    });
    hogs.pop();
    assert_eq!(within(asking).await.unwrap().unwrap(), (200, "300000".to_owned()));
    drop(hogs);
    until("all is given back", || figures.http_body_bytes.get() == 0).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_closed() {
    let _memory = MEMORY.lock().await;
    let world = World::with(|options| options.http.write_timeout = Duration::from_millis(300));
    let mut stream = open(&world, "GET /big HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until("it is closed", || world.handle.figures().http_writes_stalled.get() == 1).await;
    let mut bytes = Vec::new();
    let _ = within(stream.read_to_end(&mut bytes)).await;
    assert!(bytes.len() < BIG);
    until("nothing is left", || world.handle.figures().connections_open.get() == 0).await;
    world.stopped().await;
}

#[tokio::test]
async fn an_http2_client_that_gives_its_response_no_room_is_closed() {
    let _memory = MEMORY.lock().await;
    let world = World::with(|options| options.http.write_timeout = Duration::from_millis(300));
    let mut sender = within(world.client(&["h2"]).http2()).await;
    let response = within(sender.send_request(request("/big", ""))).await.unwrap();
    // Nobody reads the body, so the window stays shut while the connection answers pings.
    until("it is closed", || world.handle.figures().http_writes_stalled.get() == 1).await;
    assert!(within(answer(response)).await.is_err());
    until("nothing is left", || world.handle.figures().http_requests_open.get() == 0).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_large_response_arrives_whole() {
    let _memory = MEMORY.lock().await;
    let world = World::start();
    for alpn in ["http/1.1", "h2"] {
        let client = world.client(&[alpn]);
        let (status, body) = if alpn == "h2" {
            let mut sender = within(client.http2()).await;
            within(answer(within(sender.send_request(request("/big", ""))).await.unwrap())).await.unwrap()
        } else {
            within(client.get("/big")).await.unwrap()
        };
        assert_eq!((status, body.len()), (200, BIG), "{alpn}");
    }
    world.stopped().await;
}
