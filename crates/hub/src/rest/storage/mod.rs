//! The blobs of uploaded files in the language of storage clients: `/uploads/{device}/{file}` with a signed query.
//!
//! As much of the block blob protocol as devices and back ends use with one link: put a blob, put blocks and a list of
//! them, get it whole or a range, look at it, delete it. What a link does not allow, and what is not in here, is refused in
//! the storage service's own form.

mod attributes;
mod call;
mod conditions;
mod fault;
mod get;
mod list;
mod put;
mod range;
mod receive;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use skerry_front::{Body, IncomingBody, Refusal, Response, StreamLimits, Streaming};

pub(super) use get::send;

use super::query_value;
use crate::Hub;
use crate::files::CONTAINER;
use call::Call;
use fault::{Code, Fault};

/// A list of as many blocks as a blob may have.
pub(super) const LIST_BYTES_MAX: usize = 8 << 20;

/// How long a client may pause while it sends a blob, and how long it may take for all of it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(4 * 3600);

/// The version of the protocol that is answered where the client names none.
const VERSION: &str = "2021-08-06";

/// The body of a request, however it comes.
pub enum Upload {
    Whole(Bytes),
    Streamed(IncomingBody),
}

impl Upload {
    fn declared(&self) -> Option<u64> {
        match self {
            Upload::Whole(bytes) => Some(bytes.len() as u64),
            Upload::Streamed(body) => body.declared(),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        match self {
            Upload::Whole(bytes) if bytes.is_empty() => Ok(None),
            Upload::Whole(bytes) => Ok(Some(std::mem::take(bytes))),
            Upload::Streamed(body) => body.next().await,
        }
    }
}

pub(super) fn is_asked_for(head: &Parts) -> bool {
    blob_of(head.uri.path()).is_some()
}

/// The blob's name in a path, decoded once.
fn blob_of(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let name = decoded.strip_prefix('/')?.strip_prefix(CONTAINER)?.strip_prefix('/')?;
    Some(name.to_owned())
}

/// Whether the body is one to read piece by piece, and how.
pub(super) fn streaming(hub: &Arc<Hub>, head: &Parts) -> Option<Streaming> {
    let is_list = query_value(head.uri.query(), "comp").as_deref() == Some("blocklist");
    if head.method != Method::PUT || is_list || !is_asked_for(head) {
        return None;
    }
    let bytes_max = hub.files.as_ref().map_or(0, |files| files.blobs().limits().blob_bytes_max);
    let limits = StreamLimits { bytes_max, idle_timeout: IDLE_TIMEOUT, timeout: TIMEOUT };
    let hub = Arc::clone(hub);
    let handle = move |request: skerry_front::StreamedRequest| {
        let answer = async move { hub.storage(request.head, Upload::Streamed(request.body)).await };
        Box::pin(answer) as std::pin::Pin<Box<dyn Future<Output = Response> + Send>>
    };
    Some(Streaming { limits, handle: Box::new(handle) })
}

impl Hub {
    /// Answers one request of a storage client.
    pub async fn storage(&self, head: Parts, body: Upload) -> Response {
        let mut response = match self.serve_blob(&head, body).await {
            Ok(response) => response,
            Err(fault) => self.refuse_storage(&head, &fault),
        };
        self.sign_storage(&head, &mut response);
        response
    }

    /// A refusal of the front door.
    pub(super) fn refuse_upload(&self, head: &Parts, refusal: Refusal) -> Response {
        let mut response = self.refuse_storage(head, &refusal.into());
        self.sign_storage(head, &mut response);
        response
    }

    async fn serve_blob(&self, head: &Parts, body: Upload) -> Result<Response, Fault> {
        let files = self.files.as_ref().ok_or_else(|| {
            Fault::new(Code::ResourceNotFound, "file upload is switched off on this hub; set files.enabled")
        })?;
        let call = Call::read(files, head)?;
        let comp = call.query("comp");
        match (&head.method, comp.as_deref()) {
            (&Method::PUT, None) => put::blob(files, &call, body).await,
            (&Method::PUT, Some("block")) => put::block(files, &call, body).await,
            (&Method::PUT, Some("blocklist")) => put::block_list(files, &call, body).await,
            (&Method::GET, Some("blocklist")) => get::block_list(files, &call).await,
            (&Method::GET | &Method::HEAD, None) => get::blob(files, &call).await,
            (&Method::DELETE, None) => get::delete(files, &call).await,
            (_, Some(comp)) => {
                let comp: String = comp.chars().take(64).collect();
                Err(Fault::new(Code::InvalidQueryParameterValue, format!("comp={comp} is not possible here")))
            }
            (method, None) => {
                let text = format!("{method} is not possible here, use PUT, GET, HEAD or DELETE");
                Err(Fault::new(Code::UnsupportedHttpVerb, text))
            }
        }
    }

    fn refuse_storage(&self, head: &Parts, fault: &Fault) -> Response {
        let (code, error) = (fault.code.name(), &fault.text);
        if fault.code.status() >= 500 {
            tracing::error!(code, error, "A storage request failed.");
        } else {
            tracing::debug!(code, error, "A storage request was refused.");
        }
        fault.render(head.method != Method::HEAD, self.clock.now())
    }

    fn sign_storage(&self, head: &Parts, response: &mut Response) {
        let mut id = [0; 16];
        self.random.fill(&mut id);
        let headers = response.headers_mut();
        put_header(headers, "x-ms-request-id", &format!("{:032x}", u128::from_be_bytes(id)));
        let version = head.headers.get("x-ms-version").and_then(|value| value.to_str().ok());
        put_header(headers, "x-ms-version", version.unwrap_or(VERSION));
        if let Some(id) = head.headers.get("x-ms-client-request-id").filter(|id| id.len() <= 1024) {
            headers.insert(HeaderName::from_static("x-ms-client-request-id"), id.clone());
        }
    }
}

/// A value that cannot stand in a header is left out; what clients send in theirs can.
fn put_header(headers: &mut http::HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn reply(status: http::StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
