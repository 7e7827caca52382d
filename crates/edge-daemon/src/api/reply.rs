//! Answers and refusals in the one form that the clients of these APIs read.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

pub(super) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(super) response: Response<ReplyBody>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string().into())
    }

    /// 204.
    pub(crate) fn empty() -> Self {
        let mut response = Response::new(full(Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        Self { response }
    }

    pub(crate) fn bytes(status: u16, kind: &'static str, body: Bytes) -> Self {
        Self::stream(status, kind, full(body))
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.response.headers_mut().insert(name, HeaderValue::from_static(value));
        self
    }

    /// A body that is produced while it is sent, in chunks.
    pub(crate) fn stream(status: u16, kind: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Self { response }
    }
}

fn full(body: Bytes) -> ReplyBody {
    Full::new(body).boxed_unsync()
}

/// A refusal: `{"message":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub status: u16,
    pub message: String,
}

impl Problem {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// With everything that stands behind the error.
    pub(crate) fn of(status: u16, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many of our errors say what their cause says.
            if !message.contains(&text) {
                message.push_str("\ncaused by: ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self { status, message }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "not found")
    }

    pub(crate) fn method() -> Self {
        Self::new(400, "method not allowed")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(403, "forbidden")
    }

    pub(crate) fn parameter(name: &str) -> Self {
        Self::new(400, format!("invalid parameter: {name}"))
    }

    pub(super) fn reply(&self) -> Reply {
        Reply::json(self.status, &json!({ "message": self.message }))
    }
}
