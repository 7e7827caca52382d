//! Memory for request bodies, shared by all connections.
//!
//! A body's room is reserved whole before its first byte is read: bodies that grow piece by piece could end
//! up all waiting for each other. Small bodies have a lane of their own, so that a few clients that announce
//! large bodies and dribble them cannot keep the common small request out.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::figures::Figures;

const SMALL_BYTES_MAX: usize = 16 * 1024;
/// Part of the budget that only small bodies may take.
const SMALL_SHARE: usize = 8;

pub(super) struct Budget {
    small: Lane,
    large: Lane,
    figures: Arc<Figures>,
}

struct Lane {
    bytes: usize,
    free: Arc<Semaphore>,
}

impl Lane {
    fn new(bytes: usize) -> Self {
        Self { bytes, free: Arc::new(Semaphore::new(bytes)) }
    }
}

/// Room that is taken until this is dropped.
pub(super) struct Room {
    permit: OwnedSemaphorePermit,
    figures: Arc<Figures>,
}

impl Budget {
    pub(super) fn new(bytes: usize, figures: Arc<Figures>) -> Self {
        // Permits are counted in 32 bits.
        let bytes = bytes.clamp(2 * SMALL_BYTES_MAX, u32::MAX as usize);
        let small = (bytes / SMALL_SHARE).max(SMALL_BYTES_MAX);
        Self { small: Lane::new(small), large: Lane::new(bytes - small), figures }
    }

    /// No single body may be larger.
    pub(super) fn body_bytes_max(&self) -> usize {
        self.large.bytes
    }

    /// Waits for room; the caller sets the deadline.
    pub(super) async fn reserve(&self, bytes: usize) -> Room {
        let lane = if bytes <= SMALL_BYTES_MAX { &self.small } else { &self.large };
        let bytes = u32::try_from(bytes.min(lane.bytes)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&lane.free).acquire_many_owned(bytes).await;
        let permit = permit.expect("the lanes are never closed");
        self.figures.http_body_bytes.add(permit.num_permits() as u64);
        Room { permit, figures: Arc::clone(&self.figures) }
    }
}

impl Room {
    /// Gives back what the body did not need.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.permit.num_permits().saturating_sub(bytes);
        if let Some(surplus) = self.permit.split(surplus) {
            self.figures.http_body_bytes.subtract(surplus.num_permits() as u64);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.figures.http_body_bytes.subtract(self.permit.num_permits() as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_do_not_wait_for_them() {
        let budget = Budget::new(256 * 1024, Arc::default());
        let first = budget.reserve(200 * 1024).await;
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, budget.reserve(100 * 1024)).await.is_err());
        assert!(tokio::time::timeout(soon, budget.reserve(16 * 1024)).await.is_ok());
        drop(first);
        assert!(tokio::time::timeout(soon, budget.reserve(100 * 1024)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn room_that_is_not_needed_is_given_back_and_counted() {
        let budget = Budget::new(256 * 1024, Arc::default());
        let mut room = budget.reserve(200 * 1024).await;
        room.shrink_to(1024);
        assert_eq!(budget.figures.http_body_bytes.get(), 1024);
        let more = budget.reserve(200 * 1024).await;
        drop((room, more));
        assert_eq!(budget.figures.http_body_bytes.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_is_takes_all_instead_of_waiting_forever() {
        let budget = Budget::new(256 * 1024, Arc::default());
        let room = tokio::time::timeout(Duration::from_secs(1), budget.reserve(usize::MAX)).await;
        assert!(room.is_ok());
    }
}
