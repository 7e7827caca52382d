//! A call of the log whose place is certain, and whose outcome is not known yet.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use skerry_store::log::{Batch, CursorId, Log, Outcome};
use tokio::runtime::Handle;

use super::Direct;

type Call = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send>>;

pub(super) enum Begun {
    Calling(Call),
    Done(Vec<Outcome>),
}

impl Begun {
    /// The order of calls is that of their beginnings.
    pub(super) fn begin(log: &Arc<dyn Log>, batch: Batch) -> Self {
        let log = Arc::clone(log);
        let mut call: Call = Box::pin(async move { log.append(batch).await });
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcomes) => Self::Done(outcomes),
            Poll::Pending => Self::Calling(call),
        }
    }
}

impl Future for Begun {
    type Output = Vec<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<Outcome>> {
        match self.get_mut() {
            Self::Calling(call) => call.as_mut().poll(context),
            Self::Done(outcomes) => Poll::Ready(std::mem::take(outcomes)),
        }
    }
}

/// A call whose letters count as waiting in queues before inputs; where the log refuses one, it does not wait
/// there, whether or not anybody waits for the outcome.
pub(super) struct Counted {
    direct: Arc<Direct>,
    /// Of each letter.
    queues: Vec<Arc<[CursorId]>>,
    begun: Option<Begun>,
}

impl Counted {
    pub(super) fn new(direct: Arc<Direct>, queues: Vec<Arc<[CursorId]>>, begun: Begun) -> Self {
        Self { direct, queues, begun: Some(begun) }
    }
}

impl Future for Counted {
    type Output = Vec<Outcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<Outcome>> {
        let Some(begun) = &mut self.begun else { return Poll::Pending };
        let Poll::Ready(outcomes) = Pin::new(begun).poll(context) else { return Poll::Pending };
        self.begun = None;
        count(&self.direct, &self.queues, &outcomes);
        Poll::Ready(outcomes)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(begun) = self.begun.take() else { return };
        // At the end of everything nobody counts any more.
        let Ok(runtime) = Handle::try_current() else { return };
        let (direct, queues) = (Arc::clone(&self.direct), std::mem::take(&mut self.queues));
        runtime.spawn(async move { count(&direct, &queues, &begun.await) });
    }
}

fn count(direct: &Direct, queues: &[Arc<[CursorId]>], outcomes: &[Outcome]) {
    let refused = queues.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_err());
    direct.are_refused(refused.flat_map(|(queues, _)| queues.iter().copied()));
}
