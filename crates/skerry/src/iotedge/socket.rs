//! The management API on its unix socket: one connection for each request.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::failure::Failure;

/// What the original's command line asks with.
const API_VERSION: &str = "2020-07-07";
/// Containers that do not want to end take their time.
const LIMIT: Duration = Duration::from_secs(120);
/// No list of modules is longer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Nor is a support bundle.
const BUNDLE_BYTES_MAX: usize = 256 << 20;

pub struct Management {
    socket: PathBuf,
}

impl Management {
    pub fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub fn of_uri(uri: &str) -> Result<Self, Failure> {
        match uri.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            Some(path) => Ok(Self::at(PathBuf::from(path))),
            None => Err(Failure::usage(format!("the host is {uri:?}: write unix:///path/to/mgmt.sock"))),
        }
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let bytes = self.bytes(Method::GET, path, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|_| Failure::failed("the daemon's answer is no JSON"))
    }

    pub async fn post(&self, path: &str) -> Result<(), Failure> {
        self.bytes(Method::POST, path, ANSWER_BYTES_MAX).await.map(drop)
    }

    /// An archive.
    pub async fn bundle(&self, path: &str) -> Result<Bytes, Failure> {
        self.bytes(Method::GET, path, BUNDLE_BYTES_MAX).await
    }

    async fn bytes(&self, method: Method, path: &str, bytes_max: usize) -> Result<Bytes, Failure> {
        let late = || Failure::unreachable(format!("the daemon did not answer within {} s", LIMIT.as_secs()));
        let whole = async {
            let answer = self.send(method, path).await?;
            let body = Limited::new(answer.into_body(), bytes_max).collect().await;
            let body = body.map_err(|error| Failure::failed(format!("the answer broke off: {error}")))?;
            Ok(body.to_bytes())
        };
        timeout(LIMIT, whole).await.map_err(|_| late())?
    }

    /// An answer that may go on for ever.
    pub async fn stream(&self, path: &str) -> Result<Incoming, Failure> {
        Ok(self.send(Method::GET, path).await?.into_body())
    }

    async fn send(&self, method: Method, path: &str) -> Result<Response<Incoming>, Failure> {
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
        let separator = if path.contains('?') { '&' } else { '?' };
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}{separator}api-version={API_VERSION}"))
            .header(HOST, "mgmt.sock")
            .body(Empty::<Bytes>::new())
            .map_err(Failure::usage)?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = body["message"].as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| format!("the daemon answers with HTTP status {}", status.as_u16()));
        Err(Failure::of_status(status.as_u16(), text))
    }
}

/// A piece of a path or of a query.
pub fn piece(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
