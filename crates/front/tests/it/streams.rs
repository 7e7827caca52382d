//! Bodies that the service reads by itself.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::world::{MEMORY, STREAM_BYTES_MAX, World, answer, request, until, within};

const MIB: usize = 1024 * 1024;

async fn open(world: &World, text: &str) -> TlsStream<TcpStream> {
    let mut stream = within(world.client(&["http/1.1"]).connect()).await;
    within(stream.write_all(text.as_bytes())).await.unwrap();
    within(stream.flush()).await.unwrap();
    stream
}

fn post(path: &str, length: u64) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")
}

/// What comes until the server closes, however it does.
async fn rest(stream: &mut TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_body_larger_than_any_that_is_collected_arrives_whole_and_takes_no_budget() {
    let _memory = MEMORY.lock().await;
    let world = World::with(|options| options.http.body_budget_bytes = MIB);
    let expected = (200, format!("{} of Some({})", 20 * MIB, 20 * MIB));
    let mut sender = within(world.client(&["http/1.1"]).http1()).await;
    for _ in 0..2 {
        let response = within(sender.send_request(request("/streamed", vec![7; 20 * MIB]))).await.unwrap();
        assert_eq!(within(answer(response)).await.unwrap(), expected, "the connection goes on");
    }
    let mut sender = within(world.client(&["h2"]).http2()).await;
    let response = within(sender.send_request(request("/streamed", vec![7; 20 * MIB]))).await.unwrap();
    assert_eq!(within(answer(response)).await.unwrap(), expected);
    let response = within(sender.send_request(request("/length", "small"))).await.unwrap();
    assert_eq!(within(answer(response)).await.unwrap(), (200, "5".to_owned()), "others are collected");
    let figures = world.handle.figures();
    assert_eq!(figures.http_streamed_bytes.get(), 60 * MIB as u64);
    assert_eq!((figures.http_body_bytes.get(), figures.http_bodies_streamed.get()), (0, 0));
    drop(sender);
    world.stopped().await;
}

#[tokio::test]
async fn an_empty_body_ends_at_once_and_a_chunked_one_says_no_length() {
    let world = World::start();
    let mut sender = within(world.client(&["http/1.1"]).http1()).await;
    let response = within(sender.send_request(request("/streamed", ""))).await.unwrap();
    assert_eq!(within(answer(response)).await.unwrap(), (200, "0 of Some(0)".to_owned()));
    let head =
        "POST /streamed HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = open(&world, &format!("{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")).await;
    assert!(rest(&mut stream).await.ends_with("7 of None"));
    drop(sender);
    world.stopped().await;
}

#[tokio::test]
async fn a_service_that_does_not_read_makes_its_client_wait() {
    let world = World::start();
    let (mut reading, mut writing) = tokio::io::split(open(&world, &post("/streamed/hang", 60 << 20)).await);
    let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&written);
    let client = tokio::spawn(async move {
        let piece = vec![b'x'; MIB];
        for _ in 0..60 {
            writing.write_all(&piece).await.unwrap();
            counted.fetch_add(MIB, std::sync::atomic::Ordering::SeqCst);
        }
        writing.flush().await.unwrap();
    });
    within(world.service.hanging.notified()).await;
    let figures = world.handle.figures();
    assert_eq!(figures.http_bodies_streamed.get(), 1);
    // Others are served meanwhile, so the client had its time to write.
    for _ in 0..50 {
        assert_eq!(within(world.client(&["http/1.1"]).get("/")).await.unwrap().0, 200);
    }
    // What two sockets hold, at most; not what the client has.
    let before = written.load(std::sync::atomic::Ordering::SeqCst);
    assert!(before < 30 * MIB, "{before} bytes were taken from the client");
    assert_eq!(figures.http_streamed_bytes.get(), 0);
    world.service.release.notify_one();
    let mut head = [0; 12];
    within(reading.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    within(client).await.unwrap();
    assert_eq!(figures.http_streamed_bytes.get(), 60 << 20);
    drop(reading);
    world.stopped().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread_where_it_is_declared_and_else_when_it_grows() {
    let world = World::start();
    let mut stream = open(&world, &post("/streamed", STREAM_BYTES_MAX + 1)).await;
    let told = rest(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("\r\nconnection: close\r\n"), "{told}");
    assert_eq!(world.handle.figures().http_streamed_bytes.get(), 0);

    let head = "POST /streamed HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let (mut reading, mut writing) = tokio::io::split(open(&world, head).await);
    let writing = tokio::spawn(async move {
        let piece = [b"100000\r\n".as_slice(), &vec![b'x'; MIB], b"\r\n"].concat();
        while writing.write_all(&piece).await.is_ok() {}
    });
    let mut told = [0; 12];
    within(reading.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 413");
    within(writing).await.unwrap();
    let figures = world.handle.figures();
    assert_eq!(figures.http_bodies_too_large.get(), 2);
    until("nothing is left", || figures.http_bodies_streamed.get() == 0).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_body_that_pauses_or_dribbles_is_given_up() {
    let world = World::start();
    let mut paused = open(&world, &format!("{}123", post("/streamed/idle", 10))).await;
    let told = rest(&mut paused).await;
    assert!(told.starts_with("HTTP/1.1 408 ") && told.ends_with("send it without pauses"), "{told}");

    let (mut reading, mut writing) = tokio::io::split(open(&world, &post("/streamed/slow", 1 << 20)).await);
    let dribble = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let mut told = [0; 12];
    within(reading.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 408");
    dribble.abort();
    assert_eq!(world.handle.figures().http_bodies_timed_out.get(), 2);
    world.stopped().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_whole_one() {
    let world = World::start();
    let mut stream = open(&world, &format!("{}123", post("/streamed", 10))).await;
    within(stream.shutdown()).await.unwrap();
    let told = rest(&mut stream).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 400 "), "{told}");
    let figures = world.handle.figures();
    until("nothing is left", || figures.http_bodies_streamed.get() == 0).await;
    assert_eq!(figures.http_requests_open.get(), 0);
    world.stopped().await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_its_client_and_closes() {
    let world = World::start();
    for round in 0..10 {
        let mut stream = open(&world, &post("/streamed/unread", 3 << 20)).await;
        within(stream.write_all(&vec![b'x'; 3 << 20])).await.unwrap();
        within(stream.flush()).await.unwrap();
        let told = rest(&mut stream).await;
        assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("enough"), "round {round}: {told}");
        assert!(told.contains("\r\nconnection: close\r\n"), "{told}");
    }
    let mut sender = within(world.client(&["h2"]).http2()).await;
    let response = within(sender.send_request(request("/streamed/unread", vec![0; 3 << 20]))).await.unwrap();
    assert_eq!(within(answer(response)).await.unwrap(), (200, "enough".to_owned()));
    let response = within(sender.send_request(request("/length", "fine"))).await.unwrap();
    assert_eq!(within(answer(response)).await.unwrap().1, "4", "other streams go on");
    drop(sender);
    world.stopped().await;
}

#[tokio::test]
async fn a_panic_while_streaming_closes_its_connection_and_is_counted() {
    let world = World::start();
    let mut one = within(world.client(&["http/1.1"]).http1()).await;
    assert!(within(one.send_request(request("/streamed/panic", "x"))).await.is_err());
    let figures = world.handle.figures();
    assert_eq!((figures.http_handlers_panicked.get(), figures.http_bodies_streamed.get()), (1, 0));
    world.stopped().await;
}
