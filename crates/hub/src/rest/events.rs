//! `GET /skerry/v1/events`: what devices send, as it comes in, one JSON object a line.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use skerry_front::{Body, BodySender, Response};
use skerry_model::{DeviceId, Timestamp};
use tokio::sync::watch;

use super::{Problem, Request, path};
use crate::Hub;
use crate::access::Right;
use crate::telemetry::{Stream, StreamStart};

/// Lines that wait for a slow client; then the stream waits, and nobody else does.
const LINES_WAITING_MAX: usize = 16;
/// An empty line when nothing comes, so that a client that is gone is found out.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

pub(super) fn is_asked_for(request: &Request) -> bool {
    request.head.method == Method::GET
        && path::segments(request.head.uri.path())
            .is_some_and(|segments| segments == ["skerry", "v1", "events"])
}

impl Hub {
    /// `from`: `now` (the default), `oldest`, or a time. `device`: only that one's.
    pub(super) async fn stream_events(&self, request: &Request) -> Result<Response, Problem> {
        let caller = self.authorizer.authenticate(request.header("authorization"), None).await?;
        caller.require_any(&[Right::ServiceConnect])?;
        let start = match request.query("from").as_deref() {
            None | Some("" | "now") => StreamStart::Now,
            Some("oldest") => StreamStart::Oldest,
            Some(time) => StreamStart::Time(time.parse::<Timestamp>().map_err(|_| {
                Problem::argument("from must be now, oldest, or a time such as 2026-01-02T03:04:05Z")
            })?),
        };
        let device = request.query("device").map(|id| id.parse::<DeviceId>()).transpose()?;
        let (sender, body) = Body::stream(LINES_WAITING_MAX);
        let stream = self.telemetry.stream(start);
        tokio::spawn(send(stream, device, sender, self.ending.subscribe()));
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-ndjson"));
        Ok(response)
    }
}

async fn send(
    mut stream: Stream,
    device: Option<DeviceId>,
    mut sender: BodySender,
    mut ending: watch::Receiver<bool>,
) {
    loop {
        let line = tokio::select! {
            event = stream.next() => match event {
                Some(Ok(event)) if device.as_ref().is_none_or(|device| device.as_str() == event.stamp.device) => {
                    let mut line = event.json().to_string();
                    line.push('\n');
                    Bytes::from(line)
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    // Dropping the sender breaks the response: nobody takes it for the end.
                    tracing::error!(%error, "A stream of events broke off.");
                    return;
                }
                None => break,
            },
            () = tokio::time::sleep(SIGN_OF_LIFE) => Bytes::from_static(b"\n"),
            _ = ending.wait_for(|ending| *ending) => break,
        };
        if sender.send(line).await.is_err() {
            return;
        }
    }
    // A client that has gone away needs no end.
    let _ = sender.finish().await;
}
