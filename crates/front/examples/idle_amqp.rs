//! What an idle AMQP connection costs: `cargo run --release --example idle_amqp [connections]`.
//!
//! The clients are another process. Each opens TLS, shows a token, and has a session with two links of
//! its device; then nobody says anything, and what this process has grown by is told.

// A program for people, which stops at the first thing that is not as it should be.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{Connection, Event, Offer, Options as Machine, unit_length};
use skerry_amqp::performative::{Fault, ReceiverSettles, Role, SenderSettles, Source, Target, condition};
use skerry_front::device::{
    Claim, Connected, DeviceService, Lease, NotSettled, Order, Orders, Proof, PublishRefused, Refused,
    Session, Settlement, Soon, Subscriptions, TwinRefused, Unavailable,
};
use skerry_front::link::{LinkService, NotShown, Opened, Shown, SpeaksFor, Wanted};
use skerry_front::{
    BodyLimits, Front, HttpService, Options, Refusal, Request, Response, SERVER_LIFETIME, Services,
    TlsMaterial, TlsOptions,
};
use skerry_model::message::Message;
use skerry_model::{Clock, Random, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const NAME: &str = "hub1.iot.test";
const CONNECTIONS: usize = 2000;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        let now = std::fs::metadata("/proc/self").and_then(|now| now.modified()).unwrap();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_unix_seconds(since.as_secs().cast_signed())
    }
}

impl Random for Still {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

/// Everybody may come in, and is told nothing.
struct Quiet;

impl HttpService for Quiet {
    fn limits(&self, _: &http::request::Parts) -> BodyLimits {
        BodyLimits { bytes_max: 0, timeout: Duration::from_secs(1) }
    }

    fn handle(&self, _: Request) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async { Response::new("".into()) })
    }

    fn refuse(&self, _: &http::request::Parts, _: Refusal) -> Response {
        Response::new("".into())
    }
}

impl DeviceService for Quiet {
    fn connect(&self, _: Claim) -> Soon<Result<Connected, Refused>> {
        Box::pin(async { Ok(Connected { session: Arc::new(Quiet), orders: Box::new(Quiet), kept: None }) })
    }
}

impl Orders for Quiet {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Order> {
        Poll::Pending
    }
}

impl Session for Quiet {
    fn publish(&self, _: Vec<Message>) -> Soon<Result<(), PublishRefused>> {
        Box::pin(async { Ok(()) })
    }

    fn subscribe(&self, _: Subscriptions) -> Soon<Result<(), Unavailable>> {
        Box::pin(async { Ok(()) })
    }

    fn room(&self, _: bool) {}

    fn settle(&self, _: Lease, _: Settlement) -> Soon<Result<(), NotSettled>> {
        Box::pin(async { Ok(()) })
    }

    fn renew(&self, _: Proof) -> Soon<Result<(), Refused>> {
        Box::pin(async { Ok(()) })
    }

    fn twin(&self) -> Soon<Result<Bytes, TwinRefused>> {
        Box::pin(async { Ok(Bytes::from_static(b"{}")) })
    }

    fn report(&self, _: Bytes, _: Option<u64>) -> Soon<Result<Option<u64>, TwinRefused>> {
        Box::pin(async { Ok(Some(1)) })
    }

    fn answer(&self, _: &str, _: i64, _: Bytes) {}
}

impl LinkService for Quiet {
    fn show(&self, _: &str, _: &str) -> Soon<Result<Shown, NotShown>> {
        let shown = Shown { speaks_for: SpeaksFor::Policy, lasts: Duration::from_secs(3600) };
        Box::pin(async { Ok(shown) })
    }

    fn log_in(&self, name: &str, password: &str) -> Soon<Result<Shown, NotShown>> {
        self.show(name, password)
    }

    fn open(&self, _: Wanted) -> Soon<Result<Opened, Fault>> {
        Box::pin(async { Err(Fault::new(condition::NOT_FOUND, "nothing is here")) })
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match &arguments[..] {
        [address, root, count] => runtime.block_on(clients(
            address.parse().unwrap(),
            std::fs::read(root).unwrap(),
            count.parse().unwrap(),
        )),
        [count] => runtime.block_on(measure(count.parse().unwrap())),
        _ => runtime.block_on(measure(CONNECTIONS)),
    }
}

async fn measure(count: usize) {
    let directory = tempfile::tempdir().unwrap();
    let tls = TlsMaterial::open(TlsOptions {
        directory: directory.path().join("tls"),
        names: vec![NAME.to_owned()],
        ips: Vec::new(),
        operator: None,
        lifetime: SERVER_LIFETIME,
        clock: Arc::new(Still),
        random: Arc::new(Still),
    });
    let off = || "off".parse().unwrap();
    let mut options = Options::new(off(), off(), "127.0.0.1:0".parse().unwrap(), tls.unwrap());
    options.connections.half_open_per_peer_max = 1000;
    let services = Services { http: Arc::new(Quiet), devices: Arc::new(Quiet), links: Arc::new(Quiet) };
    let front = Front::bind(options, services).unwrap();
    let handle = front.handle();
    tokio::spawn(front.run(std::future::pending()));
    let root = handle.tls().root_path().unwrap();
    let address = handle.amqp_address().unwrap();
    let mut steps = Vec::new();
    // What comes first, and what a connection costs behind it.
    let mut open = Vec::new();
    for part in [count / 10, count / 2, count] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([address.to_string(), root.display().to_string(), part.to_string()])
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let said = child.stdout.take().unwrap();
        let line = tokio::task::spawn_blocking(|| BufReader::new(said).lines().next().unwrap().unwrap());
        assert_eq!(line.await.unwrap(), "open");
        tokio::time::sleep(Duration::from_secs(3)).await;
        open.push(child);
        steps.push((handle.figures().amqp_open.get(), resident()));
        println!("{:>6} connections: {} KiB", steps[steps.len() - 1].0, steps[steps.len() - 1].1);
    }
    let (first, last) = (steps[0], steps[steps.len() - 1]);
    let each = (last.1 - first.1) as f64 / (last.0 - first.0) as f64;
    println!("{each:.1} KiB each, session and two links, TLS included");
}

/// Opens so many connections, says so, and waits for its end.
async fn clients(address: SocketAddr, root: Vec<u8>, count: usize) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&root).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let mut open = Vec::new();
    for number in 0..count {
        let tcp = TcpStream::connect(address).await.unwrap();
        let stream = connector.connect(ServerName::try_from(NAME).unwrap(), tcp).await.unwrap();
        open.push(client(stream, number).await);
    }
    println!("open");
    // The other side of it is closed when the parent goes.
    std::io::stdin().read_to_end(&mut Vec::new()).ok();
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

fn offer(name: &str, role: Role, address: &str) -> Offer {
    Offer {
        name: name.into(),
        role,
        source: Source::at(address),
        target: Target::at(address),
        sender_settles: SenderSettles::Mixed,
        receiver_settles: ReceiverSettles::First,
        properties: Value::Null,
        window: 10,
        message_bytes_max: 1 << 20,
    }
}

async fn client(mut stream: Stream, number: usize) -> (Stream, Connection) {
    let credentials = skerry_amqp::connection::Credentials {
        mechanism: skerry_amqp::performative::Mechanism::Plain,
        response: Some(Bytes::from_static(b"\0me\0token")),
    };
    let mut machine = Connection::client(Machine::new("idle".into()), Some(credentials));
    let mut read = BytesMut::new();
    let mut attached = 0;
    while attached < 2 {
        stream.write_all(&std::mem::take(&mut machine.out)).await.unwrap();
        assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        while let Some(len) = unit_length(&read, 64 << 10).unwrap().filter(|len| *len <= read.len()) {
            machine.handle_unit(read.split_to(len).freeze()).unwrap();
            while let Some(event) = machine.poll_event() {
                match event {
                    Event::Opened(_) => {
                        let session = machine.begin().unwrap();
                        let events = format!("/devices/d{number}/messages/events");
                        let bound = format!("/devices/d{number}/messages/devicebound");
                        machine.attach(session, offer("events", Role::Sender, &events)).unwrap();
                        machine.attach(session, offer("bound", Role::Receiver, &bound)).unwrap();
                    }
                    Event::Attached { .. } => attached += 1,
                    Event::Detached { fault, .. } => panic!("{fault:?}"),
                    _ => {}
                }
            }
        }
    }
    stream.write_all(&std::mem::take(&mut machine.out)).await.unwrap();
    (stream, machine)
}
