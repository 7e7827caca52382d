//! Containment: a panic in a service's code becomes an error of its request.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The service panicked; the panic hook has already told where.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the handler of the request panicked")]
pub(super) struct HandlerPanicked;

/// Polls the inner future and turns its panic into [`HandlerPanicked`]. It is not polled again after that,
/// so nobody sees what the panic left half done.
pub(super) struct Contained<F>(pub(super) Pin<Box<F>>);

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, HandlerPanicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(HandlerPanicked)),
        }
    }
}
