//! The body of a response: bytes that are there, or a bounded stream of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// Bytes are handed on in pieces of at most this, so that it shows whether the client reads on.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Made from bytes or text, or by [`Body::stream`].
#[derive(Debug, Default)]
pub struct Body(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Stream(mpsc::Receiver<Piece>),
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

impl Body {
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body that is produced while it is sent. `pieces` may wait to be sent; then the sender waits.
    pub fn stream(pieces: usize) -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(pieces.max(1));
        (BodySender(sender), Self(Kind::Stream(receiver)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Kind::Full(bytes)) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

/// The producing end of a streamed body.
///
/// It has to [`finish`](BodySender::finish). When it is dropped before, the client sees a broken response
/// instead of a short one that looks whole.
#[derive(Debug)]
pub struct BodySender(mpsc::Sender<Piece>);

impl BodySender {
    /// Waits while the client is slower than we are.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), BodyGone> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.0.send(Piece::Bytes(bytes)).await.map_err(|_| BodyGone)
    }

    pub async fn finish(self) -> Result<(), BodyGone> {
        self.0.send(Piece::End).await.map_err(|_| BodyGone)
    }

    /// Done when nobody reads the body any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// The client went away: stop producing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client no longer reads the response")]
pub struct BodyGone;

/// The producer stopped in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response ended before it was complete")]
pub struct BodyCut;

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        let piece = match &mut self.0 {
            Kind::Empty => return Poll::Ready(None),
            Kind::Full(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
                if bytes.is_empty() {
                    self.0 = Kind::Empty;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            Kind::Stream(pieces) => std::task::ready!(pieces.poll_recv(context)),
        };
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.0 = Kind::Empty;
                None
            }
            None => {
                self.0 = Kind::Empty;
                Some(Err(BodyCut))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}
