//! HTTP/1.1 and HTTP/2 over TLS for one [`HttpService`], with every wait and every size bounded.
//!
//! | what a client may do | bound | overflow |
//! |---|---|---|
//! | send a head slowly | `head_timeout` | closed, counted |
//! | send a large head | `head_bytes_max`, `headers_max` | 431 |
//! | send a body slowly | the service's `timeout`, for the whole body | [`Refusal::BodyTimeout`] |
//! | send a large body | the service's `bytes_max` | [`Refusal::BodyTooLarge`], unread where declared |
//! | stream a body slowly | the service's `idle_timeout` for each piece, `timeout` for all | [`Refusal::BodyTimeout`] |
//! | stream a large body | the service's `bytes_max`; one piece in memory at a time | [`Refusal::BodyTooLarge`] |
//! | send many bodies at once | `body_budget_bytes` for all connections | waits, then [`Refusal::NoRoom`] |
//! | open many streams (HTTP/2) | `streams_max` | the protocol's own refusal |
//! | ask nothing | `idle_timeout` | closed, counted |
//! | not read the response | `write_timeout` for each 64 KiB | closed, counted |

mod activity;
mod body;
mod budget;
mod connection;
mod incoming;
mod panic;
mod request;
mod service;
mod watched;

use std::time::Duration;

pub use body::{Body, BodyCut, BodyGone, BodySender};
pub use incoming::IncomingBody;
pub use service::{
    BodyLimits, HttpService, Refusal, Request, Response, StreamHandler, StreamLimits, StreamedRequest,
    Streaming,
};

pub(crate) use connection::Http;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the first byte of a request, or from the handshake, to the end of its head.
    pub head_timeout: Duration,
    pub head_bytes_max: usize,
    pub headers_max: usize,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long a response may wait for the client to read on.
    pub write_timeout: Duration,
    /// Requests at a time on one HTTP/2 connection.
    pub streams_max: u32,
    /// Memory for request bodies of all connections together.
    pub body_budget_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            head_bytes_max: 64 * 1024,
            headers_max: 100,
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            streams_max: 100,
            body_budget_bytes: 128 * 1024 * 1024,
        }
    }
}
