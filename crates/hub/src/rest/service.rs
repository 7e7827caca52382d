//! The REST service as the front door sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use skerry_front::{Body, BodyLimits, HttpService, Refusal, Response, Streaming};
use skerry_model::ErrorCode;

use super::storage::{self, Upload};
use super::{Problem, Reply, Request, backup, body_bytes_max, events, files};
use crate::Hub;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Hands requests to a hub.
pub struct RestService {
    hub: Arc<Hub>,
}

impl RestService {
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl HttpService for RestService {
    fn limits(&self, head: &Parts) -> BodyLimits {
        let bytes_max = match storage::is_asked_for(head) {
            true => storage::LIST_BYTES_MAX,
            false => body_bytes_max(&head.method, head.uri.path()),
        };
        BodyLimits { bytes_max, timeout: BODY_TIMEOUT }
    }

    fn streaming(&self, head: &Parts) -> Option<Streaming> {
        storage::streaming(&self.hub, head)
    }

    fn handle(&self, request: skerry_front::Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let hub = Arc::clone(&self.hub);
        let request = Request { head: request.head, body: request.body };
        Box::pin(async move {
            if storage::is_asked_for(&request.head) {
                return hub.storage(request.head, Upload::Whole(request.body)).await;
            }
            if request.head.method == Method::GET
                && let Some(name) = files::file_of(&request)
            {
                return match hub.stream_file(&request, &name).await {
                    Ok(response) => response,
                    Err(problem) => render(hub.refuse(&problem)),
                };
            }
            if backup::is_asked_for(&request) {
                return match hub.stream_backup(&request).await {
                    Ok(response) => response,
                    Err(problem) => render(hub.refuse(&problem)),
                };
            }
            if events::is_asked_for(&request) {
                return match hub.stream_events(&request).await {
                    Ok(response) => response,
                    Err(problem) => render(hub.refuse(&problem)),
                };
            }
            render(hub.answer(&request).await)
        })
    }

    fn refuse(&self, head: &Parts, refusal: Refusal) -> Response {
        if storage::is_asked_for(head) {
            return self.hub.refuse_upload(head, refusal);
        }
        let code = match refusal {
            Refusal::BodyTooLarge { .. } => ErrorCode::MessageTooLarge,
            Refusal::BodyTimeout => ErrorCode::RequestTimedOut,
            Refusal::BodyBroken => ErrorCode::IotHubFormatError,
            Refusal::NoRoom => ErrorCode::ServiceUnavailable,
            Refusal::TooManyHeaders { .. } => ErrorCode::GenericBadRequest,
        };
        render(self.hub.refuse(&Problem::new(code, refusal.to_string())))
    }
}

fn render(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // What cannot stand in a header is left out: properties that a command's sender thought of.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value.into_bytes()))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}
