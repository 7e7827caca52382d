//! One request on one connection: address, proxy, TLS, HTTP/1.1, all of it within one time.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, DATE, HOST, IF_MATCH, USER_AGENT};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use skerry_model::Timestamp;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::proxy::ProxySettings;
use super::tls::explained;
use super::tunnel::tunnel;
use super::{CloudRequest, CloudResponse, NetworkError, Sending, Transport};

/// A hub has at most fifty modules on a device; what is longer is no list of them.
const ANSWER_BYTES_MAX: usize = 4 << 20;

pub struct HttpsOptions {
    /// The hub, or the parent that stands before it.
    pub host: String,
    pub port: u16,
    /// Instead of what the name resolves to.
    pub address: Option<IpAddr>,
    pub proxy: ProxySettings,
    pub tls: Arc<ClientConfig>,
    /// For a request with its answer.
    pub timeout: Duration,
}

/// The way to the hub.
pub struct Https {
    options: HttpsOptions,
}

impl Https {
    pub fn new(options: HttpsOptions) -> Self {
        Self { options }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.options.host, self.options.port)
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let HttpsOptions { host, port, address, proxy, .. } = &self.options;
        let failed = |error: std::io::Error| error.to_string();
        if let Some(proxy) = proxy.of(host) {
            return tunnel(proxy, &self.place()).await;
        }
        match address {
            Some(address) => TcpStream::connect((*address, *port)).await.map_err(failed),
            None => TcpStream::connect((host.as_str(), *port)).await.map_err(failed),
        }
    }

    async fn exchange(
        &self,
        request: &CloudRequest,
        authorization: Option<&str>,
    ) -> Result<CloudResponse, String> {
        let name = ServerName::try_from(self.options.host.clone()).map_err(|error| error.to_string())?;
        let tcp = self.connect().await?;
        let tls = TlsConnector::from(Arc::clone(&self.options.tls)).connect(name, tcp).await;
        let tls = tls.map_err(|error| format!("no trusted connection: {}", explained(&error)))?;
        let (mut sender, connection) =
            handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())?;
        let mut head = http::Request::builder()
            .method(&request.method)
            .uri(&request.path)
            .header(HOST, &self.options.host)
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("skerry-edge/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = authorization {
            head = head.header(AUTHORIZATION, authorization);
        }
        if request.replaces {
            head = head.header(IF_MATCH, "*");
        }
        if !request.body.is_empty() {
            head = head.header(CONTENT_TYPE, "application/json");
        }
        let request = head.body(Full::new(request.body.clone())).map_err(|error| error.to_string())?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let date = response.headers().get(DATE).and_then(|value| value.to_str().ok()).and_then(moment);
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body: Bytes = body.map_err(|error| error.to_string())?.to_bytes();
            Ok(CloudResponse { status, date, body })
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = answer.as_mut() => answer,
            // The hub closes behind its answer, which may still be on its way to us; where it is not whole, the
            // answer itself says so.
            _ = connection => answer.await,
        }
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from_unix(date.duration_since(SystemTime::UNIX_EPOCH).ok()?))
}

impl Transport for Https {
    fn send<'a>(&'a self, request: &'a CloudRequest, authorization: Option<&'a str>) -> Sending<'a> {
        // Boxed: TLS and HTTP make it large.
        let exchange: Pin<Box<dyn Future<Output = _> + Send + 'a>> =
            Box::pin(self.exchange(request, authorization));
        Box::pin(async move {
            let late = |_| Err(format!("no answer within {} s", self.options.timeout.as_secs()));
            let outcome = tokio::time::timeout(self.options.timeout, exchange).await.unwrap_or_else(late);
            outcome.map_err(|reason| NetworkError { place: self.place(), reason })
        })
    }
}
