//! Local APIs on unix sockets: the daemon's, its services', the container engine's. One connection for each request.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::failure::Failure;

/// What the original's command line asks the management API with.
const MANAGEMENT_VERSION: &str = "2020-07-07";
/// Containers that do not want to end take their time.
const LIMIT: Duration = Duration::from_secs(120);
/// No list of modules is longer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Nor is a support bundle.
const BUNDLE_BYTES_MAX: usize = 256 << 20;

pub struct Local {
    socket: PathBuf,
    /// `None` where the paths stand for themselves.
    version: Option<&'static str>,
}

impl Local {
    pub fn at(socket: PathBuf, version: &'static str) -> Self {
        Self { socket, version: Some(version) }
    }

    pub fn management(socket: PathBuf) -> Self {
        Self::at(socket, MANAGEMENT_VERSION)
    }

    pub fn engine(socket: PathBuf) -> Self {
        Self { socket, version: None }
    }

    pub fn of_uri(uri: &str) -> Result<Self, Failure> {
        match uri.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            Some(path) => Ok(Self::management(PathBuf::from(path))),
            None => Err(Failure::usage(format!("the host is {uri:?}: write unix:///path/to/mgmt.sock"))),
        }
    }

    pub fn into_socket(self) -> PathBuf {
        self.socket
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str) -> Result<(), Failure> {
        self.ask(Method::POST, path, None).await.map(drop)
    }

    /// JSON for JSON; an answer without a body is null.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let bytes = self.bytes(method, path, body, ANSWER_BYTES_MAX).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| Failure::failed("the answer is no JSON"))
    }

    /// Sends bytes of a type, and takes whatever comes.
    pub async fn send_bytes(&self, path: &str, kind: &'static str, body: Bytes) -> Result<Bytes, Failure> {
        self.bytes(Method::POST, path, Some((kind, body)), ANSWER_BYTES_MAX).await
    }

    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, Failure> {
        self.bytes(Method::GET, path, None, ANSWER_BYTES_MAX).await
    }

    /// An archive.
    pub async fn bundle(&self, path: &str) -> Result<Bytes, Failure> {
        self.bytes(Method::GET, path, None, BUNDLE_BYTES_MAX).await
    }

    async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
        bytes_max: usize,
    ) -> Result<Bytes, Failure> {
        let late = || Failure::unreachable(format!("the daemon did not answer within {} s", LIMIT.as_secs()));
        let whole = async {
            let answer = self.send(method, path, body).await?;
            let body = Limited::new(answer.into_body(), bytes_max).collect().await;
            let body = body.map_err(|error| Failure::failed(format!("the answer broke off: {error}")))?;
            Ok(body.to_bytes())
        };
        timeout(LIMIT, whole).await.map_err(|_| late())?
    }

    /// An answer that may go on for ever.
    pub async fn stream(&self, path: &str) -> Result<Incoming, Failure> {
        Ok(self.send(Method::GET, path, None).await?.into_body())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Response<Incoming>, Failure> {
        let place = self.socket.display();
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Failure::NotAuthorised(format!("{place}: {error}. Run it as root, or join the group iotedge"))
            }
            _ => Failure::unreachable(format!(
                "the daemon cannot be reached at {place}: {error}. `iotedge system status` says how it is"
            )),
        })?;
        let broken = |error: hyper::Error| Failure::unreachable(format!("the daemon at {place}: {error}"));
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the answer.
        tokio::spawn(connection);
        let uri = match self.version {
            Some(version) => {
                let separator = if path.contains('?') { '&' } else { '?' };
                format!("{path}{separator}api-version={version}")
            }
            None => path.to_owned(),
        };
        let mut request = Request::builder().method(method).uri(uri).header(HOST, "local.sock");
        let body = body.map(|(kind, body)| {
            request = std::mem::take(&mut request).header(CONTENT_TYPE, kind);
            body
        });
        let request = request.body(Full::new(body.unwrap_or_default())).map_err(Failure::usage)?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = body["message"].as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| format!("the answer is HTTP status {}", status.as_u16()));
        Err(Failure::of_status(status.as_u16(), text))
    }
}

/// A piece of a path or of a query.
pub fn piece(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
