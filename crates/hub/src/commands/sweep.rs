//! What has to happen although nobody asks: expiry, and keeping the memory small.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::Commands;
use super::queue::Queue;
use crate::registry::RegistryError;
use crate::to_its_end::to_its_end;

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

    /// Ends what has waited for too long, and forgets what nobody uses. A failure ends it until the
    /// next time.
    pub async fn sweep(&self) {
        let shared = &self.shared;
        if let Err(error) = shared.open().await {
            tracing::warn!(%error, "What waits for devices cannot be read yet.");
            return;
        }
        for queue in shared.queues.all() {
            if queue.is_due(shared.clock.now())
                && let Err(error) = self.sweep_one(&queue).await
            {
                tracing::warn!(identity = %queue.identity, %error, "Expired commands are still there.");
                break;
            }
            queue.rest();
        }
        shared.queues.tidy();
        if let Err(error) = shared.expire_feedback().await {
            tracing::warn!(%error, "Expired feedback is still there.");
        }
    }
}

impl Commands {
    async fn sweep_one(&self, queue: &Arc<Queue>) -> Result<(), RegistryError> {
        let (shared, queue) = (Arc::clone(&self.shared), Arc::clone(queue));
        to_its_end(async move {
            let _turn = queue.turn.lock().await;
            shared.load(&queue).await?;
            shared.expire(&queue).await
        })
        .await
    }
}
