//! One partition, as its readers ask for it.

use std::sync::Arc;

use skerry_store::log::{Extent, Follower, From, Log, Page, Partition, ReadError, Reading};

use super::publish::Telemetry;

/// Events of one page, and their bytes: what a slow reader has of the log in memory.
const PAGE_RECORDS_MAX: usize = 256;
const PAGE_BYTES_MAX: usize = 256 << 10;

/// The records of a partition as they come. Dropping it costs nobody anything.
pub struct Reader {
    follower: Box<dyn Follower>,
    partition: Partition,
    /// A log stays open for as long as somebody reads it.
    log: Arc<dyn Log>,
}

impl Telemetry {
    /// Begins with the call.
    pub fn follow(&self, partition: Partition, from: From) -> Reader {
        let reading = Reading::new(partition, from).at_most(PAGE_RECORDS_MAX, PAGE_BYTES_MAX);
        Reader { follower: self.log.follow(reading), partition, log: Arc::clone(&self.log) }
    }

    /// What a partition holds now.
    pub async fn extent(&self, partition: Partition) -> Result<Extent, ReadError> {
        self.log.extent(partition).await
    }
}

impl Reader {
    /// At least one record, or something lost.
    pub async fn next(&mut self) -> Result<Page, ReadError> {
        self.follower.next().await
    }

    pub async fn extent(&mut self) -> Result<Extent, ReadError> {
        self.log.extent(self.partition).await
    }
}
