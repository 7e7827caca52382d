//! Changes that go on when whoever asked for them is gone.

use std::future::{Future, pending};

/// Does it to its end, whatever becomes of whoever asked. A commit does not stop with the one who
/// waits for it: it would happen later, behind the back of those who have the turn by then.
pub(crate) fn to_its_end<T: Send + 'static>(
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
