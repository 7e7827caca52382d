//! What stands behind the front door: a service that gets whole requests, or streams of them, and gives responses.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;

use super::{Body, IncomingBody};
use crate::figures::{Figure, Figures};

/// How much of a body the service wants to read, and how long all of it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    pub bytes_max: usize,
    pub timeout: Duration,
}

/// How much of a body the service wants to read by itself, and how long that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    pub bytes_max: u64,
    /// From one piece to the next, while the service waits for it.
    pub idle_timeout: Duration,
    /// For all of it, the service's own work included.
    pub timeout: Duration,
}

/// A request whose body has arrived within the limits. The certificates that the client proved to hold
/// are an extension of the head, of the type [`PeerCertificates`](crate::device::PeerCertificates).
#[derive(Debug)]
pub struct Request {
    pub head: Parts,
    pub body: Bytes,
    pub peer: SocketAddr,
}

/// How a service takes one request whose body it reads by itself.
pub struct Streaming {
    pub limits: StreamLimits,
    /// The future is dropped when the client goes away, and its response ends the reading.
    pub handle: StreamHandler,
}

pub type StreamHandler =
    Box<dyn FnOnce(StreamedRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send>;

/// A request whose body is still arriving.
pub struct StreamedRequest {
    pub head: Parts,
    pub body: IncomingBody,
    pub peer: SocketAddr,
}

pub type Response = http::Response<Body>;

/// Answers requests. A panic in any of these closes the connection it came on, and is counted.
pub trait HttpService: Send + Sync + 'static {
    /// Asked before a body is read, and only where there is one; cheap, and never waits.
    fn limits(&self, head: &Parts) -> BodyLimits;

    /// The future is dropped when the client goes away: what has to be finished then is a task of its own.
    fn handle(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>>;

    /// Asked first, before anything of a body is read; cheap, and never waits. `None`: the body is collected
    /// for [`HttpService::handle`].
    fn streaming(&self, _head: &Parts) -> Option<Streaming> {
        None
    }

    /// Renders a refusal that happened before [`HttpService::handle`], in the service's own error format.
    fn refuse(&self, _head: &Parts, refusal: Refusal) -> Response {
        refusal.plain_response()
    }
}

/// Why a request did not reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the body has more than {limit} bytes: send less in one request")]
    BodyTooLarge { limit: u64 },
    #[error("the body did not arrive in time: send it without pauses")]
    BodyTimeout,
    #[error("the body ended before it was complete: send it again")]
    BodyBroken,
    #[error("too many bodies are being received: try again in a moment")]
    NoRoom,
    #[error("the request has more than {limit} header fields: send fewer")]
    TooManyHeaders { limit: usize },
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::BodyBroken => StatusCode::BAD_REQUEST,
            Refusal::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::TooManyHeaders { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    pub(super) fn figure(self, figures: &Figures) -> &Figure {
        match self {
            Refusal::BodyTooLarge { .. } => &figures.http_bodies_too_large,
            Refusal::BodyTimeout => &figures.http_bodies_timed_out,
            Refusal::BodyBroken => &figures.http_bodies_broken,
            Refusal::NoRoom => &figures.http_bodies_without_budget,
            Refusal::TooManyHeaders { .. } => &figures.http_headers_refused,
        }
    }

    fn plain_response(self) -> Response {
        let mut response = Response::new(Body::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        response
    }
}
