//! What modules ask over HTTPS: methods of each other and of devices behind the edge, and figures. What edge devices
//! behind this one ask is in `children`.

mod children;
mod methods;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;
use skerry_front::device::{PeerCertificates, Proof};
use skerry_front::{Body, BodyLimits, HttpService, Refusal, Response};
use skerry_model::IdentityId;

use crate::service::{EdgeHub, Shared};

/// A method's payload and what is around it.
const BODY_BYTES_MAX: usize = 192 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Who calls, as `device/module`.
const CALLER: &str = "x-ms-edge-moduleid";

/// An answer that is no success: the status, and why.
pub(super) struct Problem(StatusCode, String);

impl Problem {
    pub(super) fn bad(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl HttpService for EdgeHub {
    fn limits(&self, _: &Parts) -> BodyLimits {
        BodyLimits { bytes_max: BODY_BYTES_MAX, timeout: BODY_TIMEOUT }
    }

    fn handle(&self, request: skerry_front::Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            match shared.answer(&request.head, request.body).await {
                Ok(response) => response,
                Err(Problem(status, what)) => refused(status, &what),
            }
        })
    }

    fn refuse(&self, _: &Parts, refusal: Refusal) -> Response {
        refused(refusal.status(), &refusal.to_string())
    }
}

fn refused(status: StatusCode, what: &str) -> Response {
    text(status, "application/json; charset=utf-8", json!({"message": what}).to_string())
}

fn text(status: StatusCode, kind: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

impl Shared {
    async fn answer(&self, head: &Parts, body: Bytes) -> Result<Response, Problem> {
        let path = percent_decode_str(head.uri.path()).decode_utf8();
        let path = path.map_err(|_| Problem::bad("the path is not UTF-8 when decoded"))?;
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (&head.method, &segments[..]) {
            (&Method::POST, ["twins", device, "methods"]) => {
                self.invoke_method(head, body, device, None).await
            }
            (&Method::POST, ["twins", device, "modules", module, "methods"]) => {
                self.invoke_method(head, body, device, Some(module)).await
            }
            (&Method::GET, ["metrics"]) => {
                Ok(text(StatusCode::OK, "text/plain; version=0.0.4", self.metrics()))
            }
            _ if let Some(answer) = self.answer_child(head, &body, &segments).await => answer,
            _ => Err(Problem(StatusCode::NOT_FOUND, format!("{} {path} is not there", head.method))),
        }
    }

    /// Who asks, and whether they are.
    async fn caller(&self, head: &Parts) -> Result<IdentityId, Problem> {
        let unauthorised = |what: String| Problem(StatusCode::UNAUTHORIZED, what);
        let named = head.headers.get(CALLER).and_then(|value| value.to_str().ok());
        let named =
            named.ok_or_else(|| Problem::bad(format!("say who calls in {CALLER}, as device/module")))?;
        let named = percent_decode_str(named).decode_utf8_lossy().into_owned();
        let (device, module) = named.split_once('/').unwrap_or((&named, ""));
        let cannot_be = |error: skerry_model::IdError| Problem::bad(error.to_string());
        let device = device.parse().map_err(cannot_be)?;
        let module = match module {
            "" => None,
            module => Some(module.parse().map_err(cannot_be)?),
        };
        let id = IdentityId { device, module };
        let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let proof = match (token, head.extensions.get::<PeerCertificates>()) {
            (Some(token), _) => Proof::Token(token.to_owned()),
            (None, Some(chain)) => Proof::Certificate(chain.clone()),
            (None, None) => Proof::Nothing,
        };
        match self.admit(&id, &proof, None).await {
            Ok(_) => Ok(id),
            Err(error) => Err(unauthorised(error.to_string())),
        }
    }
}
