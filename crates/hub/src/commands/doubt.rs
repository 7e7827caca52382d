//! Changes whose end nobody may see.

use std::future::{Future, pending};

use super::queue::Queue;

/// Does it to its end, whatever becomes of whoever asked. A commit does not stop with the one who
/// waits for it: it would happen later, behind the back of those who have the turn by then.
pub(super) fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send + 'static {
    let task = tokio::spawn(work);
    async move {
        match task.await {
            Ok(done) => done,
            // A bug: let it take the request down, where it is counted.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends, and whoever waits here with it.
            Err(_) => pending().await,
        }
    }
}

/// A change under way. Dropped before its end, because it failed, it has the queue read again.
pub(super) struct Doubt<'a> {
    queue: &'a Queue,
    is_over: bool,
}

impl<'a> Doubt<'a> {
    pub(super) fn of(queue: &'a Queue) -> Self {
        Self { queue, is_over: false }
    }

    /// It is known how the change ended.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.queue.doubt();
        }
    }
}
