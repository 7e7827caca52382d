//! What has to happen although nobody asks: expiry, and keeping the memory small.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::error::LeaseError;
use super::queue::Queue;
use super::{Commands, Shared};

const EVERY: Duration = Duration::from_secs(15);

impl Commands {
    /// Sweeps every now and then until `shutdown` is done.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(EVERY) => self.sweep().await,
            }
        }
    }

    /// Ends what has waited for too long, and forgets what nobody uses. Failures are tried again the
    /// next time.
    pub async fn sweep(&self) {
        let shared = &self.shared;
        if let Err(error) = shared.open().await {
            tracing::warn!(%error, "What waits for devices cannot be read yet.");
            return;
        }
        for queue in shared.queues.all() {
            if queue.is_due(shared.clock.now())
                && let Err(error) = shared.sweep_one(&queue).await
            {
                tracing::warn!(identity = %queue.identity, %error, "Expired commands are still there.");
            }
            queue.rest();
        }
        shared.queues.tidy();
        if let Err(error) = shared.expire_feedback().await {
            tracing::warn!(%error, "Expired feedback is still there.");
        }
    }
}

impl Shared {
    async fn sweep_one(&self, queue: &Arc<Queue>) -> Result<(), LeaseError> {
        let _turn = queue.turn.lock().await;
        self.load(queue).await?;
        self.expire(queue).await
    }
}
