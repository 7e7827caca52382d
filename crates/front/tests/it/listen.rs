use std::sync::Arc;
use std::time::Duration;

use skerry_front::{Address, Front, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::devices::TestDevices;
use crate::links::TestLinks;
use crate::world::{MEMORY, World, answer, request, services, until, within};

#[tokio::test]
async fn a_busy_port_is_named_with_what_to_do() {
    let world = World::start();
    let address = world.address();
    let tls = world.handle.tls().clone();
    let options = Options::new(address.to_string().parse().unwrap(), Address::Off, Address::Off, tls);
    let error =
        Front::bind(options, services(&Arc::default(), &TestDevices::default(), &TestLinks::default()));
    let error = error.map(drop).unwrap_err();
    assert!(!error.is_permission_denied());
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: another program uses the port; find it with `ss -ltnp sport = :{}` \
             and stop it, or choose another address",
            address.port()
        )
    );
    world.stopped().await;
}

#[tokio::test]
async fn an_address_of_another_machine_is_named_and_off_is_off() {
    let world = World::start();
    let bind = |text: &str| {
        let options =
            Options::new(text.parse().unwrap(), Address::Off, Address::Off, world.handle.tls().clone());
        Front::bind(options, services(&Arc::default(), &TestDevices::default(), &TestLinks::default()))
    };
    assert_eq!(
        bind("192.0.2.1:8443").map(drop).unwrap_err().to_string(),
        "cannot listen on 192.0.2.1:8443: this machine has no such address; list its addresses with \
         `ip address`, or use :8443 for all"
    );
    let off = bind("off").unwrap();
    assert_eq!(off.https_address(), None);
    within(off.run(async {})).await;
    world.stopped().await;
}

/// Resident memory of this process, client ends included.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_half_open_connections_do_not_keep_a_client_out() {
    const ATTACKERS: usize = 2000;
    const HALF_OPEN_MAX: usize = 200;
    let _memory = MEMORY.lock().await;
    let world = World::with(|options| options.connections.half_open_per_peer_max = HALF_OPEN_MAX);
    let client = world.client(&["http/1.1"]);
    within(client.get("/")).await.unwrap();
    let before = resident_bytes();
    let mut attackers = Vec::with_capacity(ATTACKERS);
    for n in 0..ATTACKERS {
        let mut stream = within(TcpStream::connect(world.address()))
            .await
            .expect("this test needs 4,000 files: raise `ulimit -n`");
        // Every other one begins a handshake and stops in the middle of its first record.
        if n % 2 == 0 {
            within(stream.write_all(&[22, 3, 1, 2, 0, 1, 0])).await.unwrap();
        }
        attackers.push(stream);
        if n % 250 == 0 {
            assert_eq!(within(client.get("/")).await.unwrap().0, 200, "while {n} are half-open");
        }
    }
    assert_eq!(within(client.get("/")).await.unwrap().0, 200);
    let figures = world.handle.figures();
    until("the server has seen all", || figures.connections_accepted.get() >= ATTACKERS as u64).await;
    until("the oldest are gone", || figures.connections_open.get() <= HALF_OPEN_MAX as u64 + 1).await;
    assert!(figures.half_open_dropped.get() >= (ATTACKERS - HALF_OPEN_MAX) as u64);
    assert!(figures.connections_half_open.get() <= HALF_OPEN_MAX as u64);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes for {HALF_OPEN_MAX} half-open connections");
    world.stopped().await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_closed() {
    let world = World::with(|options| options.connections.handshake_timeout = Duration::from_millis(100));
    let mut silent = within(TcpStream::connect(world.address())).await.unwrap();
    let mut slow = within(TcpStream::connect(world.address())).await.unwrap();
    within(slow.write_all(&[22, 3, 1])).await.unwrap();
    for stream in [&mut silent, &mut slow] {
        // Closed, or reset because what came was not read to its end.
        assert_eq!(within(stream.read(&mut [0; 16])).await.unwrap_or(0), 0);
    }
    assert_eq!(world.handle.figures().handshakes_timed_out.get(), 2);
    world.stopped().await;
}

#[tokio::test]
async fn what_is_no_tls_is_closed_and_counted() {
    let world = World::start();
    let mut stream = within(TcpStream::connect(world.address())).await.unwrap();
    within(stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")).await.unwrap();
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    until("it is counted", || world.handle.figures().handshakes_failed.get() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_full_house_refuses_the_newest_and_takes_it_when_there_is_room() {
    let world = World::with(|options| options.connections.connections_max = 2);
    let client = world.client(&["http/1.1"]);
    let (one, two) = (within(client.connect()).await, within(client.connect()).await);
    assert!(within(client.connect_as("127.0.0.1")).await.is_err());
    assert_eq!(world.handle.figures().connections_refused_full.get(), 1);
    drop(one);
    until("there is room", || world.handle.figures().connections_open.get() == 1).await;
    within(client.connect()).await;
    drop(two);
    world.stopped().await;
}

#[tokio::test]
async fn handshakes_are_made_elsewhere_and_connections_stay_here() {
    let elsewhere =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = World::with(|options| {
        options.handshakes = Some(elsewhere.handle().clone());
        options.connections.handshake_timeout = Duration::from_millis(500);
    });
    let mut senders = Vec::new();
    for _ in 0..3 {
        senders.push(within(world.client(&["http/1.1"]).http1()).await);
    }
    let mut silent = within(TcpStream::connect(world.address())).await.unwrap();
    assert_eq!(within(silent.read(&mut [0; 16])).await.unwrap_or(0), 0);
    let figures = world.handle.figures();
    assert_eq!((figures.handshakes_done.get(), figures.handshakes_timed_out.get()), (3, 1));
    // Nothing of a connection is left there.
    elsewhere.shutdown_background();
    for sender in &mut senders {
        for body in ["one", "two"] {
            let response = within(sender.send_request(request("/", body))).await.unwrap();
            let expected = format!("HTTP/1.1 b{body:?}");
            assert_eq!(within(answer(response)).await.unwrap(), (200, expected));
        }
    }
    drop(senders);
    world.stopped().await;
}
