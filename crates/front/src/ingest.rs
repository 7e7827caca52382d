//! Memory for what was published and is not durable yet, of all connections together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::device::Soon;
use crate::figures::Figures;

#[derive(Clone)]
pub(crate) struct Ingest {
    room: Arc<Semaphore>,
    bytes_max: usize,
    figures: Arc<Figures>,
}

/// Bytes that are taken while it lives.
pub(crate) struct Taken {
    permit: OwnedSemaphorePermit,
    since: Instant,
    figures: Arc<Figures>,
}

impl Ingest {
    pub(crate) fn new(bytes_max: usize, figures: Arc<Figures>) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(bytes_max)), bytes_max, figures }
    }

    pub(crate) fn try_take(&self, bytes: usize) -> Option<Taken> {
        let permit = Arc::clone(&self.room).try_acquire_many_owned(self.permits(bytes)).ok()?;
        Some(self.taken(permit))
    }

    /// Whoever asks first is served first.
    pub(crate) fn take(&self, bytes: usize) -> Soon<Taken> {
        let ingest = self.clone();
        Box::pin(async move {
            let permit = Arc::clone(&ingest.room).acquire_many_owned(ingest.permits(bytes)).await;
            ingest.taken(permit.expect("the semaphore is never closed"))
        })
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Taken {
        self.figures.ingest_bytes.add(permit.num_permits() as u64);
        Taken { permit, since: Instant::now(), figures: Arc::clone(&self.figures) }
    }

    /// One block may be larger than all there is; then it has the whole for itself.
    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX)
    }
}

impl Taken {
    /// What it was taken for is durable now.
    pub(crate) fn note_durable(&self) {
        self.figures.ingest_waits.record(self.since.elapsed());
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.figures.ingest_bytes.subtract(self.permit.num_permits() as u64);
    }
}
