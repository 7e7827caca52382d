//! The body of a request that its service reads itself, piece by piece.
//!
//! Nothing is read ahead of the service beyond one piece and the window of the protocol: a service that is slow makes
//! its client slow, and nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::Refusal;
use super::service::StreamLimits;
use crate::figures::Figures;

/// The pieces of a body as they arrive, within its limits.
///
/// After an error nothing more comes. What is unread when the response is made is not read any more.
pub struct IncomingBody {
    incoming: Incoming,
    limits: StreamLimits,
    declared: Option<u64>,
    taken: u64,
    ends_at: Instant,
    end: Arc<End>,
    figures: Arc<Figures>,
    failed: Option<Refusal>,
}

/// Whether a body was read to its end, for whoever has to decide what becomes of its connection.
#[derive(Default)]
pub(super) struct End(AtomicBool);

impl End {
    pub(super) fn is_reached(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl IncomingBody {
    pub(super) fn new(incoming: Incoming, limits: StreamLimits, figures: &Arc<Figures>) -> Self {
        let is_empty = incoming.is_end_stream();
        figures.http_bodies_streamed.add(1);
        Self {
            declared: incoming.size_hint().exact(),
            incoming,
            limits,
            taken: 0,
            ends_at: Instant::now() + limits.timeout,
            end: Arc::new(End(AtomicBool::new(is_empty))),
            figures: Arc::clone(figures),
            failed: None,
        }
    }

    /// How many bytes the client said that it will send.
    pub fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// Waits for the next piece; `None` is the end of a whole body.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if let Some(refusal) = self.failed {
            return Err(refusal);
        }
        let piece = self.receive().await;
        if let Err(refusal) = piece {
            refusal.figure(&self.figures).increment();
            self.failed = Some(refusal);
        }
        piece
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, Refusal> {
        let patience = self.ends_at.min(Instant::now() + self.limits.idle_timeout);
        loop {
            let frame =
                timeout_at(patience, self.incoming.frame()).await.map_err(|_| Refusal::BodyTimeout)?;
            let Some(frame) = frame else {
                self.end.0.store(true, Ordering::Release);
                return Ok(None);
            };
            let Ok(data) = frame.map_err(|_| Refusal::BodyBroken)?.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            let left = self.limits.bytes_max - self.taken;
            if data.len() as u64 > left {
                return Err(Refusal::BodyTooLarge { limit: self.limits.bytes_max });
            }
            self.taken += data.len() as u64;
            self.figures.http_streamed_bytes.add(data.len() as u64);
            if self.incoming.is_end_stream() {
                self.end.0.store(true, Ordering::Release);
            }
            return Ok(Some(data));
        }
    }

    pub(super) fn end(&self) -> Arc<End> {
        Arc::clone(&self.end)
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        self.figures.http_bodies_streamed.subtract(1);
    }
}
