//! `/modules/{name}/logs`: what a module has written, in the engine's frames.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use skerry_runtime::{LogFrames, LogQuery, LogStream};
use tokio::sync::mpsc;

use super::Shared;
use super::modules::engine;
use super::time::moment;
use crate::api::{Call, Problem, Reply};

/// Frames that wait for a slow reader; then the engine waits.
const FRAMES_MAX: usize = 16;

impl Shared {
    pub(super) async fn logs(&self, call: &Call, name: &str) -> Result<Reply, Problem> {
        let now = self.clock.now();
        let time = |key: &'static str| match call.query(key) {
            None | Some("") => Ok(None),
            Some(text) => moment(text, now).map(Some).ok_or_else(|| Problem::parameter(key)),
        };
        let tail = match call.query("tail") {
            None | Some("all" | "") => None,
            Some(text) => Some(text.parse().map_err(|_| Problem::parameter("tail"))?),
        };
        let query = LogQuery {
            tail,
            since: time("since")?,
            until: time("until")?,
            follow: call.flag("follow")?.unwrap_or(false),
            timestamps: call.flag("timestamps")?.unwrap_or(false),
        };
        let stream = match self.parts.find(name) {
            Some(part) => part.logs(&query),
            None => self.runtime.logs(name, &query).await.map_err(engine)?,
        };
        let (sender, receiver) = mpsc::channel(FRAMES_MAX);
        tokio::spawn(pump(stream, sender));
        Ok(Reply::stream(200, "text/plain", Received(receiver).boxed_unsync()))
    }
}

/// One frame in one chunk: the original's command line cuts eight bytes off each chunk.
async fn pump(mut stream: LogStream, sender: mpsc::Sender<Bytes>) {
    let mut frames = LogFrames::default();
    loop {
        let piece = tokio::select! {
            piece = stream.next() => piece,
            // The reader has gone; a module that says nothing would not tell.
            () = sender.closed() => return,
        };
        match piece {
            Ok(Some(piece)) => frames.push(&piece),
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "The log of a module broke off.");
                return;
            }
        }
        while let Some(frame) = frames.next_frame() {
            if sender.send(frame.encode()).await.is_err() {
                return;
            }
        }
    }
}

struct Received(mpsc::Receiver<Bytes>);

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
