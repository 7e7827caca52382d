//! One request over the module's socket.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Wire {
    pub(crate) uri: String,
    /// What modules are told to speak.
    pub(crate) version: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null where it is no JSON.
    pub(crate) body: Value,
}

impl Wire {
    /// `path` has its query with it.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let exchange = Box::pin(self.exchange(method, path, body.into()));
        timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let socket = self.uri.strip_prefix("unix://").ok_or_else(|| format!("{} is no unix://", self.uri))?;
        let stream = UnixStream::connect(socket).await.map_err(|error| format!("{socket}: {error}"))?;
        let told = |error: hyper::Error| error.to_string();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "workload");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(told)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        connection.abort();
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}
