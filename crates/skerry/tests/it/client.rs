//! A client that says exactly what a test wants said, over real TLS with the hub's own root.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::process::{HOST, Hub};

/// Longer than anything takes, shorter than a build's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    /// Of the owner, for an hour.
    pub(crate) token: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(hub: &Hub) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(hub.root_certificate()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
        Self { address: hub.address, tls, token: hub.token("iothubowner", 3600) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = self.connect_without_tls().await?;
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await
    }

    pub(crate) async fn connect_without_tls(&self) -> std::io::Result<TcpStream> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// One request on a connection of its own, with the api version added.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let sent = self.try_send(method, path, headers, body.into());
        tokio::time::timeout(PATIENCE, sent).await.expect("the hub answers in time").unwrap()
    }

    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        let driver = tokio::spawn(connection);
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes())?)
            .uri(format!("{path}{joint}api-version=2021-04-12"))
            .header("host", HOST);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", &self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        driver.abort();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Everything there is: a fingerprint that a refused request must not change.
    pub(crate) async fn registry(&self) -> Vec<Value> {
        let mut all = vec![self.send("GET", "/devices", &[], "").await.body];
        for source in ["devices", "devices.modules"] {
            let query = format!("{{\"query\":\"SELECT * FROM {source}\"}}");
            all.push(
                self.send("POST", "/devices/query", &[("x-ms-max-item-count", "1000")], query).await.body,
            );
        }
        all
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str, what: &str) {
        if let Err(found) = self.check_refused(status, code) {
            panic!("{what}: expected {status} {code}, {found}");
        }
    }

    /// Checks status, code and form of a refusal, as every SDK needs it.
    pub(crate) fn check_refused(&self, status: u16, code: &str) -> Result<(), String> {
        let message = self.body["Message"].as_str().unwrap_or_default();
        let text = message.strip_prefix(&format!("ErrorCode:{code};"));
        let Some(text) = text.filter(|_| self.status == status) else {
            return Err(format!("got {} {}", self.status, self.body));
        };
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let tracking = self.body["ExceptionMessage"].as_str().unwrap_or_default();
        for (holds, wrong) in [
            (text.len() > 5 && !text.contains(';'), "the explanation is none"),
            (header("iothub-errorcode") == Some(code), "the header names another code"),
            (header("content-type") == Some("application/json; charset=utf-8"), "the type is wrong"),
            (header("x-ms-request-id").is_some(), "the request has no id"),
            (tracking.starts_with("Tracking ID:"), "nothing leads to the log"),
        ] {
            if !holds {
                return Err(format!("{wrong}: {:?} {}", self.headers, self.body));
            }
        }
        Ok(())
    }
}

/// Reads until the other end has no more to say, or breaks off.
pub(crate) async fn read_all(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    drop(
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the hub closes in time"),
    );
    String::from_utf8_lossy(&bytes).into_owned()
}
