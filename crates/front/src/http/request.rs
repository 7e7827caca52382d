//! From hyper's request to ours: limits asked, body read or handed on, handler run, refusals rendered.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Version};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::activity::{Activity, OpenRequest};
use super::body::BodyCut;
use super::budget::{Budget, Room};
use super::panic::{Contained, HandlerPanicked};
use super::{
    Body, HttpLimits, HttpService, IncomingBody, Refusal, Request, Response, StreamedRequest, Streaming,
};
use crate::amqp::Amqp;
use crate::device::PeerCertificates;
use crate::figures::Figures;
use crate::mqtt::Mqtt;
use crate::websocket;

/// What all connections share.
pub(super) struct Shared {
    pub(super) service: Arc<dyn HttpService>,
    pub(super) limits: HttpLimits,
    pub(super) budget: Budget,
    /// Spoken inside WebSockets.
    pub(super) mqtt: Mqtt,
    pub(super) amqp: Amqp,
    pub(super) figures: Arc<Figures>,
}

/// The hyper service of one connection.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) shared: Arc<Shared>,
    pub(super) activity: Arc<Activity>,
    pub(super) peer: SocketAddr,
    pub(super) certificates: Option<PeerCertificates>,
    /// Told when a handler panicked, to close the connection.
    pub(super) panicked: Arc<Notify>,
}

impl hyper::service::Service<http::Request<Incoming>> for Requests {
    type Response = http::Response<Sending>;
    type Error = HandlerPanicked;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let this = self.clone();
        let open = self.activity.request(&self.shared.figures);
        let begun = Instant::now();
        Box::pin(async move {
            let answer = Contained(Box::pin(this.answer(request))).await;
            this.shared.figures.http_answers.record(begun.elapsed());
            if answer.is_err() {
                this.shared.figures.http_handlers_panicked.increment();
                this.panicked.notify_one();
            }
            open.waits_for_client();
            answer.map(|response| response.map(|body| Sending { body, open }))
        })
    }
}

impl Requests {
    async fn answer(&self, request: http::Request<Incoming>) -> Response {
        let (mut head, body) = request.into_parts();
        if let Some(certificates) = &self.certificates {
            head.extensions.insert(PeerCertificates::clone(certificates));
        }
        if websocket::is_wanted(&head) {
            let (response, inside) = websocket::respond(&head);
            inside.into_iter().for_each(|inside| self.activity.become_websocket(inside));
            return response;
        }
        let service = &self.shared.service;
        let headers_max = self.shared.limits.headers_max;
        if head.headers.len() > headers_max {
            return self.refuse(&head, Refusal::TooManyHeaders { limit: headers_max });
        }
        if let Some(streaming) = service.streaming(&head) {
            return self.stream(head, body, streaming).await;
        }
        match self.receive(&head, body).await {
            Ok((body, _room)) => service.handle(Request { head, body, peer: self.peer }).await,
            Err(refusal) => self.refuse(&head, refusal),
        }
    }

    fn refuse(&self, head: &Parts, refusal: Refusal) -> Response {
        refusal.figure(&self.shared.figures).increment();
        let mut response = self.shared.service.refuse(head, refusal);
        self.leave_unread(head.version, &mut response);
        response
    }

    /// What is left of the body will not be read, so no further request can follow it.
    fn leave_unread(&self, version: Version, response: &mut Response) {
        if version < Version::HTTP_2 {
            self.activity.leave_body_unread();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    async fn stream(&self, head: Parts, body: Incoming, streaming: Streaming) -> Response {
        let Streaming { limits, handle } = streaming;
        if body.size_hint().lower() > limits.bytes_max {
            return self.refuse(&head, Refusal::BodyTooLarge { limit: limits.bytes_max });
        }
        let body = IncomingBody::new(body, limits, &self.shared.figures);
        let (version, end) = (head.version, body.end());
        let mut response = handle(StreamedRequest { head, body, peer: self.peer }).await;
        if !end.is_reached() {
            self.leave_unread(version, &mut response);
        }
        response
    }

    async fn receive(&self, head: &Parts, body: Incoming) -> Result<(Bytes, Option<Room>), Refusal> {
        if body.is_end_stream() {
            return Ok((Bytes::new(), None));
        }
        let limits = self.shared.service.limits(head);
        let limit = limits.bytes_max.min(self.shared.budget.body_bytes_max());
        let declared = body.size_hint().upper();
        let expected = match declared.map(usize::try_from) {
            None => limit,
            Some(Ok(bytes)) if bytes <= limit => bytes,
            Some(_) => return Err(Refusal::BodyTooLarge { limit: limit as u64 }),
        };
        let deadline = Instant::now() + limits.timeout;
        let room = timeout_at(deadline, self.shared.budget.reserve(expected)).await;
        let mut room = room.map_err(|_| Refusal::NoRoom)?;
        let read = timeout_at(deadline, collect(body, limit)).await;
        let bytes = read.map_err(|_| Refusal::BodyTimeout)??;
        room.shrink_to(bytes.len());
        Ok((bytes, Some(room)))
    }
}

/// Copies the body into memory of its own: hyper's pieces are slices that pin its read buffers.
async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BodyBroken)?.into_data() else { continue };
        if data.len() > limit.saturating_sub(bytes.len()) {
            return Err(Refusal::BodyTooLarge { limit: limit as u64 });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// A response body that keeps its request open until it is sent.
pub(super) struct Sending {
    body: Body,
    open: OpenRequest,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BodyCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Pending => self.open.waits_for_us(),
            Poll::Ready(_) => self.open.waits_for_client(),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
