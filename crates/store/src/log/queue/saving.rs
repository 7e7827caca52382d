//! Telling the log what was settled, while the queue goes on.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::ledger::Told;
use crate::log::{CursorError, Sequence};

/// On its way to the log; see [`super::Queue::begin_save`]. Who gives it up may find records delivered again
/// after a restart.
pub struct Saving {
    pub(super) told: Option<(Sequence, Told)>,
    pub(super) call: Pin<Box<dyn Future<Output = Result<(), CursorError>> + Send>>,
}

/// What became of it, for [`super::Queue::end_save`].
pub struct Saved {
    pub(super) below: Sequence,
    pub(super) told: Told,
    pub(super) outcome: Result<(), CursorError>,
}

impl Future for Saving {
    type Output = Saved;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Saved> {
        let Poll::Ready(outcome) = self.call.as_mut().poll(context) else { return Poll::Pending };
        match self.told.take() {
            Some((below, told)) => Poll::Ready(Saved { below, told, outcome }),
            None => Poll::Pending,
        }
    }
}
