//! The hub as the daemon needs it: identities of modules, with the device's own credential, over HTTPS.
//!
//! ```text
//! Cloud ──► retries (here) ──► Transport ──► Https: proxy, TLS, one request on one connection
//! ```
//!
//! Every call is as long as its tries; there are at most `retries + 1` of them where the network or the hub
//! is in trouble, and four longer waits where the hub says that it is asked too often.

mod clocks;
mod credential;
mod https;
mod modules;
mod proxy;
mod tls;
mod tunnel;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use skerry_model::{Random, Timestamp};

pub use clocks::Clocks;
pub use credential::{DEVICE_KEY, Proof, ProofError};
pub use https::{Https, HttpsOptions};
pub use modules::{Cloud, CloudOptions, HubModule};
pub use proxy::{Proxy, ProxyError, ProxySettings};
pub use tls::{TlsSetupError, client_config, explained, trusted_roots};
pub use tunnel::tunnel;

/// One request to the hub.
#[derive(Clone, Debug)]
pub struct CloudRequest {
    pub method: Method,
    pub path: String,
    /// `If-Match: *`.
    pub replaces: bool,
    pub body: Bytes,
}

#[derive(Clone, Debug)]
pub struct CloudResponse {
    pub status: StatusCode,
    /// By the hub's clock.
    pub date: Option<Timestamp>,
    pub body: Bytes,
}

pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<CloudResponse, NetworkError>> + Send + 'a>>;

/// Carries one request to the hub and its answer back. Ends by itself.
pub trait Transport: Send + Sync + 'static {
    fn send<'a>(&'a self, request: &'a CloudRequest, authorization: Option<&'a str>) -> Sending<'a>;
}

/// The hub was not reached, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hub at {place} cannot be asked: {reason}")]
pub struct NetworkError {
    pub place: String,
    pub reason: String,
}

/// A call to the hub failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Whatever is known from before may be used instead.
    #[error(transparent)]
    Network(NetworkError),
    #[error("the hub refuses: {text} (HTTP status {status})")]
    Refused { status: u16, text: String },
    #[error("the hub is asked too often by this device: wait a few minutes")]
    Throttled,
    #[error("the hub's answer cannot be read: {what}")]
    Answer { what: &'static str },
    #[error("the device cannot prove itself: {what}")]
    Proof { what: String },
}

/// Between two tries where the network or the hub is in trouble.
const PAUSE: Duration = Duration::from_secs(3);
/// Before each further try where the hub says that it is asked too often.
const THROTTLED_PAUSES_SECONDS: [u64; 4] = [60, 120, 180, 300];

/// Sends until there is an answer that means something.
async fn send_with_retries(
    transport: &dyn Transport,
    request: &CloudRequest,
    proof: &Proof,
    retries: u32,
    random: &dyn Random,
) -> Result<CloudResponse, CloudError> {
    let (mut failures, mut throttled) = (0, THROTTLED_PAUSES_SECONDS.into_iter());
    loop {
        // A token lives for seconds; each try has its own.
        let authorization = proof.token().await?;
        let outcome = transport.send(request, authorization.as_deref()).await;
        match outcome {
            Ok(response) if response.status == StatusCode::TOO_MANY_REQUESTS => {
                let Some(seconds) = throttled.next() else { return Err(CloudError::Throttled) };
                let pause = Duration::from_secs(seconds) + jitter(seconds, random);
                tracing::warn!(?pause, "The hub is asked too often, the next try follows.");
                tokio::time::sleep(pause).await;
            }
            Ok(response) if !response.status.is_server_error() => return Ok(response),
            failed => {
                let error = match failed {
                    // A parent that has no way to the hub says so.
                    Ok(response) => NetworkError {
                        place: "its gateway".to_owned(),
                        reason: format!("it answers with HTTP status {}", response.status.as_u16()),
                    },
                    Err(error) => error,
                };
                if failures >= retries {
                    return Err(CloudError::Network(error));
                }
                failures += 1;
                tracing::debug!(%error, "The next try follows.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Up to a tenth of the wait, so that a site's devices do not come back together.
fn jitter(seconds: u64, random: &dyn Random) -> Duration {
    let mut bytes = [0; 2];
    random.fill(&mut bytes);
    Duration::from_millis(seconds * 100 * u64::from(u16::from_be_bytes(bytes)) / 0xffff)
}
