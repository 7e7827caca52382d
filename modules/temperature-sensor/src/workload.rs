//! The workload API of the edge: it signs for this module, and says whom to trust.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use skerry_model::Timestamp;
use skerry_tokens::{Claim, Draft, SasToken, resource};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::Host;

const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub struct Workload {
    host: Host,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the workload API gives no {what}: {reason}")]
pub struct WorkloadError {
    pub what: &'static str,
    pub reason: String,
}

impl Workload {
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    /// A token of this module for its hub.
    pub async fn token(&self, expiry: Timestamp) -> Result<SasToken, WorkloadError> {
        let what = "token";
        let claim = Claim::Module(self.host.device.as_str(), self.host.module.as_str());
        let draft = Draft::new(&resource(&self.host.hub_host, claim), expiry);
        let path = format!(
            "/modules/{}/genid/{}/sign",
            segment(self.host.module.as_str()),
            segment(&self.host.generation)
        );
        let ask = json!({"keyId": "primary", "algo": "HMACSHA256", "data": STANDARD.encode(draft.text())});
        let answer = self.call(what, Method::POST, &path, Some(&ask)).await?;
        let wrong = || WorkloadError { what, reason: format!("{answer} holds no digest") };
        let digest = answer.get("digest").and_then(Value::as_str).ok_or_else(wrong)?;
        STANDARD.decode(digest).ok().and_then(|digest| draft.signed(&digest)).ok_or_else(wrong)
    }

    /// The certificates to trust, as PEM.
    pub async fn trust_bundle(&self) -> Result<String, WorkloadError> {
        let what = "trust bundle";
        let answer = self.call(what, Method::GET, "/trust-bundle", None).await?;
        let found = answer.get("certificate").and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| WorkloadError { what, reason: "its answer holds no certificate".to_owned() })
    }

    async fn call(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, WorkloadError> {
        let work = self.exchange(method, path, body);
        let done = timeout(TIMEOUT, Box::pin(work)).await;
        let late = || Err(format!("no answer within {} s", TIMEOUT.as_secs()));
        done.unwrap_or_else(|_| late()).map_err(|reason| WorkloadError { what, reason })
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let socket = self.host.workload_uri.strip_prefix("unix://").map(PathBuf::from);
        let socket = socket.ok_or_else(|| format!("{} is no unix:// address", self.host.workload_uri))?;
        let stream = UnixStream::connect(&socket).await;
        let stream = stream.map_err(|error| format!("{}: {error}", socket.display()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let mut request = Request::builder()
                .method(method)
                .uri(format!("{path}?api-version={}", self.host.api_version))
                .header(header::HOST, "workload");
            let body = match body {
                None => Bytes::new(),
                Some(body) => {
                    request = request.header(header::CONTENT_TYPE, "application/json");
                    Bytes::from(body.to_string())
                }
            };
            let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            if !status.is_success() {
                return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
            }
            serde_json::from_slice(&body).map_err(|error| error.to_string())
        };
        let mut exchange = pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            ended = connection => match ended {
                // All of it has come, and was not looked at yet.
                Ok(()) => exchange.await,
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

fn segment(text: &str) -> impl std::fmt::Display + '_ {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT)
}
