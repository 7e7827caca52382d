//! A request as the operations see it.

use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;
use skerry_front::device::{PeerCertificates, Proof};
use skerry_model::ErrorCode;

use super::Problem;
use super::path::query_value;
use crate::registry::Precondition;

/// Head and whole body of a request.
pub struct Request {
    pub head: Parts,
    pub body: Bytes,
}

impl Request {
    /// A header's value, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// What the client shows of who it is: a token before a certificate.
    pub(super) fn proof(&self) -> Proof {
        match (self.header("authorization"), self.head.extensions.get::<PeerCertificates>()) {
            (Some(token), _) if !token.is_empty() => Proof::Token(token.to_owned()),
            (_, Some(certificates)) => Proof::Certificate(certificates.clone()),
            _ => Proof::Nothing,
        }
    }

    pub fn query(&self, name: &str) -> Option<String> {
        query_value(self.head.uri.query(), name)
    }

    pub(super) fn precondition(&self) -> Precondition {
        Precondition::from_header(self.header("if-match"))
    }

    /// The body as JSON of a known shape.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Err(Problem::new(ErrorCode::ArgumentNull, "the request has no body, send JSON"));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Problem::new(ErrorCode::IotHubFormatError, format!("the body cannot be used, {error}"))
        })
    }
}
