//! The collector: sleeps until its hour, and removes what nobody needs.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::{Clock, Timestamp};

use super::record::Record;
use super::schedule::Schedule;
use crate::{Answer, EngineError, Runtime};

/// Who knows of images that stay, though no container uses them.
pub trait Keeps: Send + Sync {
    fn kept(&self) -> Answer<'_, Vec<String>, EngineError>;
}

pub struct CollectorOptions {
    pub runtime: Arc<dyn Runtime>,
    pub record: Record,
    pub keeps: Arc<dyn Keeps>,
    pub clock: Arc<dyn Clock>,
    /// Seconds that local clocks are ahead of UTC at a time.
    pub offset: Box<dyn Fn(Timestamp) -> i32 + Send + Sync>,
    pub schedule: Schedule,
    /// Unneeded for longer than this.
    pub age: Duration,
}

pub struct Collector {
    options: CollectorOptions,
}

/// The machine's clock may be set while it sleeps.
const NAP: Duration = Duration::from_secs(600);

impl Collector {
    pub fn new(options: CollectorOptions) -> Self {
        Self { options }
    }

    /// Until it is dropped.
    pub async fn run(self) {
        let Self { options } = &self;
        let now = options.clock.now();
        let mut due = options.schedule.first(now, (options.offset)(now));
        loop {
            self.sleep_until(due).await;
            while let Err(error) = self.collect().await {
                tracing::warn!(%error, "Images that nobody needs are not removed yet.");
                tokio::time::sleep(NAP).await;
            }
            // From now: what was missed is not made up for.
            let now = options.clock.now();
            due = options.schedule.next(now, (options.offset)(now));
        }
    }

    async fn sleep_until(&self, due: Timestamp) {
        let mut before = self.options.clock.now();
        while before < due {
            tokio::time::sleep(due.since(before).min(NAP)).await;
            let now = self.options.clock.now();
            // A clock that was set back would let it sleep for years.
            if now < before {
                return;
            }
            before = now;
        }
    }

    async fn collect(&self) -> Result<(), EngineError> {
        let CollectorOptions { runtime, record, keeps, clock, age, .. } = &self.options;
        let kept = keeps.kept().await?;
        let containers = runtime.list().await?;
        let now = clock.now();
        let unused = record.change(|images| images.unused(&containers, &kept, *age, now));
        for id in unused {
            match runtime.remove_image(&id).await {
                Ok(()) => tracing::info!(image = id, "An image that nobody needs was removed."),
                Err(EngineError::NotFound { .. }) => {}
                Err(error) => {
                    // Somebody else's container may use it.
                    tracing::warn!(%error, image = id, "An image that nobody needs stays.");
                    continue;
                }
            }
            record.change(|images| images.forget(&id));
        }
        Ok(())
    }
}
