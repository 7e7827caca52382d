//! One connection to a hub, and requests on it one after the other.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use skerry_model::Clock as _;
use skerry_tokens::{Claim, resource};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::login::{Doors, Login};
use super::tls::client_config;
use crate::args::Target;
use crate::failure::Failure;
use crate::world::MachineClock;

const API_VERSION: &str = "2021-04-12";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// Bytes of an answer that is read whole.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'$');

/// Speaks to one hub.
pub struct Client {
    login: Login,
    tls: Arc<ClientConfig>,
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
}

/// An answer with its body as JSON (null when there is none).
pub struct Response {
    pub headers: HeaderMap,
    pub body: Value,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    pub async fn connect(target: &Target) -> Result<Self, Failure> {
        let login = Login::find(target)?;
        let tls = client_config(login.ca.as_deref())?;
        let place = match login.address {
            Some(address) => address.to_string(),
            None => format!("{}:{}", login.host.name(), login.port),
        };
        let connect = async {
            let tcp = match login.address {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect((login.host.name(), login.port)).await,
            };
            let tcp = tcp
                .map_err(|error| Failure::unreachable(format!("cannot reach the hub at {place}: {error}")))?;
            let name = ServerName::try_from(login.host.name().to_owned()).map_err(Failure::usage)?;
            TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(|error| {
                Failure::unreachable(format!(
                    "no trusted connection to {place}: {error}. Name the hub's trust anchor with --ca, it lies in the hub's data directory as tls/root-ca.pem"
                ))
            })
        };
        let late = |_| {
            Failure::unreachable(format!("{place} did not answer within {} s", CONNECT_TIMEOUT.as_secs()))
        };
        let stream = timeout(CONNECT_TIMEOUT, connect).await.map_err(late)??;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failure::unreachable)?;
        tokio::spawn(async move {
            // Its failure reaches the request that waits for it.
            drop(connection.await);
        });
        let expiry = MachineClock.now().plus(TOKEN_LIFE);
        let authorization = login.signer.issue(&resource(login.host.name(), Claim::Hub), expiry).reveal();
        Ok(Self { login, tls, sender, authorization })
    }

    /// The name of the hub as connection strings carry it.
    pub fn host(&self) -> &skerry_tokens::Host {
        &self.login.host
    }

    /// Where the hub listens, when it is the one of the local data directory.
    pub fn doors(&self) -> Doors {
        self.login.doors
    }

    /// That of HTTPS.
    pub fn port(&self) -> u16 {
        self.login.port
    }

    /// Whom this client trusts.
    pub fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    pub async fn get(&mut self, path: &str) -> Result<Response, Failure> {
        self.call(Method::GET, path, None, &[]).await
    }

    /// A call whose refusal is a failure of the command.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> Result<Response, Failure> {
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push((CONTENT_TYPE.as_str(), "application/json; charset=utf-8"));
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.call_with_bytes(method, path, bytes, &headers).await
    }

    /// The same with a body that is not JSON.
    pub async fn call_with_bytes(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Response, Failure> {
        let answer =
            timeout(ANSWER_TIMEOUT, self.send(method, path, body, headers)).await.map_err(|_| late())??;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = timeout(ANSWER_TIMEOUT, collect(answer.into_body())).await.map_err(|_| late())??;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into())
        };
        if status.is_success() {
            return Ok(Response { headers, body });
        }
        Err(Failure::of_status(status.as_u16(), explain(&body, status.as_u16())))
    }

    /// Streams an answer to `out`. A connection that breaks off is an error, not a short file.
    pub async fn download(&mut self, path: &str, out: &mut impl Write) -> Result<(), Failure> {
        let answer = timeout(ANSWER_TIMEOUT, self.send(Method::GET, path, Bytes::new(), &[]))
            .await
            .map_err(|_| late())??;
        let status = answer.status();
        let mut body = answer.into_body();
        if !status.is_success() {
            let bytes = collect(body).await?;
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            return Err(Failure::of_status(status.as_u16(), explain(&body, status.as_u16())));
        }
        while let Some(frame) = timeout(ANSWER_TIMEOUT, body.frame()).await.map_err(|_| late())? {
            let frame =
                frame.map_err(|error| Failure::unreachable(format!("the connection broke off: {error}")))?;
            if let Ok(bytes) = frame.into_data() {
                out.write_all(&bytes).map_err(|error| Failure::failed(format!("cannot write: {error}")))?;
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<http::Response<Incoming>, Failure> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}{separator}api-version={API_VERSION}"))
            .header(HOST, self.login.host.to_string())
            .header(USER_AGENT, concat!("skerry/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, &self.authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(Failure::usage)?;
        let unreachable = |error| Failure::unreachable(format!("the hub did not answer: {error}"));
        // The connection may still be busy with the end of the answer before.
        self.sender.ready().await.map_err(unreachable)?;
        self.sender.send_request(request).await.map_err(unreachable)
    }
}

/// A path segment that holds an id.
pub fn segment(id: &str) -> String {
    utf8_percent_encode(id, SEGMENT).to_string()
}

fn late() -> Failure {
    Failure::unreachable(format!("the hub did not answer within {} s", ANSWER_TIMEOUT.as_secs()))
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Failure::unreachable(format!("the connection broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(Failure::failed("the answer is too large, ask for less at a time"));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// The sentence in an error body, whichever of the service's forms it has.
fn explain(body: &Value, status: u16) -> String {
    let message = body["Message"].as_str().or(body["message"].as_str()).or(body.as_str()).unwrap_or_default();
    if let Ok(Value::Object(inner)) = serde_json::from_str::<Value>(message)
        && let Some(text) = inner.get("message").and_then(Value::as_str)
    {
        return text.to_owned();
    }
    match message.strip_prefix("ErrorCode:").and_then(|rest| rest.split_once(';')) {
        Some((name, text)) => format!("{text} ({name})"),
        None if message.is_empty() => format!("the hub answered with HTTP status {status}"),
        None => message.to_owned(),
    }
}
