//! A running front door, a client that trusts its root, and a clock that both read.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use skerry_front::{
    Body, BodyLimits, Front, Handle, HttpService, OperatorFiles, Options, Refusal, Request, Response,
    SERVER_LIFETIME, Services, StreamLimits, StreamedRequest, Streaming, TlsMaterial, TlsOptions,
};

use crate::devices::{State, TestDevices};
use crate::links::{LinkState, TestLinks};
use skerry_model::{Clock, Random, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const NAME: &str = "hub1.iot.test";
pub const DAY: i64 = 86_400;
/// Longer than anything takes, shorter than a build's patience.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Held by tests that use much memory and by the one that measures it.
pub static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Seconds since 1970, as the test says.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_780_000_000)))
    }

    pub fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::SeqCst))
    }
}

impl TimeProvider for TestClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::SeqCst).unsigned_abs();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Different every time, the same in every run.
#[derive(Default)]
pub struct TestRandom(AtomicU8);

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.fetch_add(1, Ordering::SeqCst));
    }
}

pub fn tls_options(directory: &Path, clock: &Arc<TestClock>) -> TlsOptions {
    TlsOptions {
        directory: directory.join("tls"),
        names: vec![NAME.to_owned(), "gateway.local".to_owned()],
        ips: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
        operator: None,
        lifetime: SERVER_LIFETIME,
        clock: Arc::<TestClock>::clone(clock),
        random: Arc::new(TestRandom::default()),
    }
}

pub fn operator_options(directory: &Path, clock: &Arc<TestClock>) -> TlsOptions {
    let files =
        OperatorFiles { certificate: directory.join("site.pem"), key: directory.join("site.key.pem") };
    TlsOptions { operator: Some(files), ..tls_options(directory, clock) }
}

/// Connects and verifies like any client that was given `root`.
pub struct Client {
    pub address: SocketAddr,
    pub config: Arc<ClientConfig>,
}

impl Client {
    pub fn new(address: SocketAddr, root: &[u8], alpn: &[&str], clock: &Arc<TestClock>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let time = Arc::<TestClock>::clone(clock);
        let config = ClientConfig::builder_with_details(provider, time).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { address, config: Arc::new(config) }
    }

    /// Shows this certificate to whoever asks for one.
    pub fn certified(mut self, certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = CertifiedKey::from_der(vec![certificate], key, &provider).unwrap();
        let mut config = ClientConfig::clone(&self.config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
        self.config = Arc::new(config);
        self
    }

    pub async fn connect_as(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(&self.config)).connect(name, tcp).await
    }

    pub async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_as(NAME).await.unwrap()
    }

    pub async fn http1(&self) -> http1::SendRequest<Full<Bytes>> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.connect().await)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    pub async fn http2(&self) -> http2::SendRequest<Full<Bytes>> {
        let stream = TokioIo::new(self.connect().await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// One request on a connection of its own.
    pub async fn get(&self, path: &str) -> hyper::Result<(u16, String)> {
        let mut sender = self.http1().await;
        answer(sender.send_request(request(path, "")).await?).await
    }
}

pub fn request(path: &str, body: impl Into<Bytes>) -> http::Request<Full<Bytes>> {
    let uri = format!("https://{NAME}{path}");
    http::Request::post(uri).header("host", NAME).body(Full::new(body.into())).unwrap()
}

pub async fn answer(response: http::Response<hyper::body::Incoming>) -> hyper::Result<(u16, String)> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Answers by path; see `handle`.
#[derive(Default)]
pub struct TestService {
    /// Told when `/hang` has begun.
    pub hanging: Notify,
    /// Lets one `/hang` finish.
    pub release: Notify,
}

pub const BODY_BYTES_MAX: usize = 1024 * 1024;
pub const STREAM_BYTES_MAX: u64 = 64 * 1024 * 1024;
pub const BIG: usize = 64 * 1024 * 1024;

/// The service is shared with the test, the trait wants it in an `Arc` of its own.
pub struct Shared(pub Arc<TestService>);

impl HttpService for Shared {
    fn limits(&self, head: &Parts) -> BodyLimits {
        let timeout = if head.uri.path() == "/slow" { Duration::from_millis(300) } else { PATIENCE };
        assert!(head.uri.path() != "/panic-in-limits", "asked for");
        BodyLimits { bytes_max: BODY_BYTES_MAX, timeout }
    }

    fn handle(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let service = Arc::clone(&self.0);
        Box::pin(async move {
            let version = request.head.version;
            match request.head.uri.path() {
                "/panic" => panic!("asked for"),
                "/hang" => {
                    service.hanging.notify_one();
                    service.release.notified().await;
                    Response::new("released".into())
                }
                "/peer" => Response::new(request.peer.to_string().into()),
                "/stream" => streamed(true),
                "/cut" => streamed(false),
                "/big" => Response::new(vec![b'x'; BIG].into()),
                "/length" => Response::new(format!("{}", request.body.len()).into()),
                _ => Response::new(format!("{version:?} {:?}", request.body).into()),
            }
        })
    }

    fn streaming(&self, head: &Parts) -> Option<Streaming> {
        let path = head.uri.path().strip_prefix("/streamed")?.to_owned();
        let service = Arc::clone(&self.0);
        let short = Duration::from_millis(300);
        let limits = StreamLimits {
            bytes_max: STREAM_BYTES_MAX,
            idle_timeout: if path == "/idle" { short } else { PATIENCE },
            timeout: if path == "/slow" { short } else { PATIENCE },
        };
        Some(Streaming { limits, handle: Box::new(move |request| Box::pin(take(service, path, request))) })
    }

    fn refuse(&self, head: &Parts, refusal: Refusal) -> Response {
        refused(head.uri.path(), refusal)
    }
}

fn refused(path: &str, refusal: Refusal) -> Response {
    let mut response = Response::new(format!("{path}: {refusal}").into());
    *response.status_mut() = refusal.status();
    response
}

/// Counts the bytes of a streamed body; by its path at once, later, or not at all.
async fn take(service: Arc<TestService>, path: String, mut request: StreamedRequest) -> Response {
    match path.as_str() {
        "/panic" => panic!("asked for"),
        "/unread" => return Response::new("enough".into()),
        "/hang" => {
            service.hanging.notify_one();
            service.release.notified().await;
        }
        _ => {}
    }
    let (mut bytes, declared) = (0, request.body.declared());
    loop {
        match request.body.next().await {
            Ok(Some(piece)) => bytes += piece.len(),
            Ok(None) => return Response::new(format!("{bytes} of {declared:?}").into()),
            Err(refusal) => {
                assert_eq!(request.body.next().await, Err(refusal), "nothing comes after an error");
                return refused(&path, refusal);
            }
        }
    }
}

fn streamed(finish: bool) -> Response {
    let (mut sender, body) = Body::stream(1);
    tokio::spawn(async move {
        for _ in 0..100 {
            sender.send(Bytes::from_static(b"0123456789")).await?;
        }
        if finish { sender.finish().await } else { Ok(()) }
    });
    Response::new(body)
}

pub fn services(service: &Arc<TestService>, devices: &TestDevices, links: &TestLinks) -> Services {
    Services {
        http: Arc::new(Shared(Arc::clone(service))),
        devices: Arc::new(devices.clone()),
        links: Arc::new(links.clone()),
    }
}

/// A front door that serves until told to stop.
pub struct World {
    pub clock: Arc<TestClock>,
    pub handle: Handle,
    pub service: Arc<TestService>,
    pub devices: Arc<State>,
    pub links: Arc<LinkState>,
    /// Removed with everything in it when the world ends.
    _directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    pub running: JoinHandle<()>,
}

impl World {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(adjust: impl FnOnce(&mut Options)) -> Self {
        let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
        let tls = TlsMaterial::open(tls_options(directory.path(), &clock)).unwrap();
        Self::around(directory, clock, tls, adjust)
    }

    pub fn around(
        directory: TempDir,
        clock: Arc<TestClock>,
        tls: TlsMaterial,
        adjust: impl FnOnce(&mut Options),
    ) -> Self {
        let local = || "127.0.0.1:0".parse().unwrap();
        let mut options = Options::new(local(), local(), local(), tls);
        adjust(&mut options);
        let service = Arc::new(TestService::default());
        let (devices, links) = (TestDevices::default(), TestLinks::default());
        let front = Front::bind(options, services(&service, &devices, &links)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let handle = front.handle();
        let running = tokio::spawn(front.run(async move { drop(stopped.await) }));
        let (devices, links) = (devices.0, links.0);
        Self { clock, handle, service, devices, links, _directory: directory, stop: Some(stop), running }
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.https_address().unwrap()
    }

    pub fn root_path(&self) -> PathBuf {
        self.handle.tls().root_path().unwrap()
    }

    pub fn client(&self, alpn: &[&str]) -> Client {
        let root = std::fs::read(self.root_path()).unwrap();
        Client::new(self.address(), &root, alpn, &self.clock)
    }

    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub async fn stopped(mut self) {
        self.stop();
        within(self.running).await.unwrap();
    }
}

/// Fails instead of hanging.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this should have happened by now")
}

/// Waits for a condition that another task brings about.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// Every file of a directory with its bytes.
pub struct Listing(pub BTreeMap<String, Vec<u8>>);

impl Listing {
    pub fn of(directory: &Path) -> Self {
        let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
        let files = entries.map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        });
        Self(files.collect())
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
