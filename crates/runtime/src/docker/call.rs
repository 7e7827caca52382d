//! One call to the engine: a connection, a request, an answer or what went wrong.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::DockerOptions;
use crate::EngineError;

/// A longer answer is none that we ask for.
const ANSWER_BYTES_MAX: usize = 32 << 20;

pub(super) struct Call<'a> {
    options: &'a DockerOptions,
    name: &'static str,
    method: Method,
    path: String,
    /// With what it is.
    body: Option<(&'static str, Bytes)>,
    headers: Vec<(&'static str, String)>,
    timeout: Duration,
}

/// An answer whose body is still coming. Dropping it closes the connection.
pub(super) struct Open {
    pub(super) body: Incoming,
    /// Held so that it ends with the body.
    pub(super) _connection: Connection,
}

/// The task that moves the bytes of one connection.
pub(super) struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One segment of a path, or one value of a query.
pub(super) fn segment(text: &str) -> impl std::fmt::Display + '_ {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT)
}

impl<'a> Call<'a> {
    pub(super) fn new(options: &'a DockerOptions, name: &'static str, method: Method, path: String) -> Self {
        Self { options, name, method, path, body: None, headers: Vec::new(), timeout: options.call_timeout }
    }

    pub(super) fn body(self, body: &Value) -> Self {
        self.bytes("application/json", Bytes::from(body.to_string()))
    }

    pub(super) fn bytes(mut self, kind: &'static str, body: Bytes) -> Self {
        self.body = Some((kind, body));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The engine works that much longer before it answers.
    pub(super) fn later(mut self, by: Duration) -> Self {
        self.timeout += by;
        self
    }

    /// Where only it matters that it was done.
    pub(super) async fn done(self) -> Result<(), EngineError> {
        self.whole().await.map(drop)
    }

    pub(super) async fn json(self) -> Result<Value, EngineError> {
        let name = self.name;
        let bytes = self.whole().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| EngineError::Garbled { call: name, text: error.to_string() })
    }

    pub(super) async fn text(self) -> Result<String, EngineError> {
        Ok(String::from_utf8_lossy(&self.whole().await?).into_owned())
    }

    async fn whole(self) -> Result<Bytes, EngineError> {
        let late = self.late();
        let place = self.place();
        let limit = self.timeout;
        let work = async {
            let open = self.send().await?;
            collect(open.body).await.map_err(|reason| EngineError::Down { place, reason })
        };
        timeout(limit, Box::pin(work)).await.unwrap_or(Err(late))
    }

    /// Waits for the head of a good answer only; its body comes as long as it comes.
    pub(super) async fn open(self) -> Result<Open, EngineError> {
        let late = self.late();
        timeout(self.timeout, Box::pin(self.send())).await.unwrap_or(Err(late))
    }

    async fn send(self) -> Result<Open, EngineError> {
        let place = self.place();
        let down = |reason: String| EngineError::Down { place: place.clone(), reason };
        let socket = UnixStream::connect(&self.options.socket).await.map_err(|e| down(e.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| down(told(&error)))?;
        // How the connection ends is told by the answer as well.
        let connection = Connection(tokio::spawn(async { drop(connection.await) }));
        let response = sender.send_request(self.request()).await.map_err(|error| down(told(&error)))?;
        let (head, body) = (response.status(), response.into_body());
        if head.is_success() || head == StatusCode::NOT_MODIFIED {
            return Ok(Open { body, _connection: connection });
        }
        let bytes = collect(body).await.map_err(down)?;
        Err(refusal(self.name, head, &bytes))
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, "engine")
            .header(header::USER_AGENT, concat!("skerry/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = match &self.body {
            None => Bytes::new(),
            Some((kind, body)) => {
                request = request.header(header::CONTENT_TYPE, *kind);
                body.clone()
            }
        };
        request.body(Full::new(body)).expect("paths and headers are encoded before they come here")
    }

    fn late(&self) -> EngineError {
        EngineError::Late { call: self.name, after: self.timeout }
    }

    fn place(&self) -> String {
        self.options.socket.display().to_string()
    }
}

async fn collect(body: Incoming) -> Result<Bytes, String> {
    match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn told(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn refusal(call: &'static str, status: StatusCode, body: &[u8]) -> EngineError {
    let message = serde_json::from_slice::<Value>(body).ok();
    let message = message.as_ref().and_then(|body| body.get("message")?.as_str());
    let text = match message {
        Some(text) => text.trim().to_owned(),
        None => String::from_utf8_lossy(body).trim().chars().take(1000).collect(),
    };
    match status {
        StatusCode::NOT_FOUND => EngineError::NotFound { text },
        StatusCode::CONFLICT => EngineError::Conflict { text },
        _ => EngineError::Refused { call, status: status.as_u16(), text },
    }
}
