//! How a journal is opened.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::{Clock, Random};

use super::Files;
use crate::log::Limits;

#[derive(Clone)]
pub struct JournalOptions {
    pub files: Arc<dyn Files>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub limits: Limits,
    /// A file is ended when it has so many bytes; at most a sixteenth of the cap.
    pub segment_bytes: u64,
    /// A group is ended when it has so many bytes.
    pub group_bytes_max: usize,
    /// A group of so many bytes is written while the one before it is being synced; smaller ones
    /// wait, and are put together.
    pub early_bytes: usize,
    /// What was only written is synced after this time, or when it has so many bytes; until then
    /// it is kept in memory too.
    pub sync_after: Duration,
    pub unsynced_bytes_max: u64,
    /// The newest groups are kept in memory for readers that keep up.
    pub recent_bytes_max: usize,
    pub recent_groups_max: usize,
    /// What readers of files will ask for next, read with the page before; 0 for nothing.
    pub ahead_bytes_max: usize,
    /// Pages being read from files at one time.
    pub reads_max: usize,
}

impl JournalOptions {
    pub fn new(files: Arc<dyn Files>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            files,
            clock,
            random,
            limits: Limits::default(),
            segment_bytes: 64 << 20,
            group_bytes_max: 1 << 20,
            early_bytes: 128 << 10,
            sync_after: Duration::from_secs(1),
            unsynced_bytes_max: 4 << 20,
            recent_bytes_max: 4 << 20,
            recent_groups_max: 1024,
            ahead_bytes_max: 4 << 20,
            reads_max: 4,
        }
    }

    /// Bounds that would contradict each other are put right.
    pub(super) fn settled(mut self) -> Self {
        let limits = &mut self.limits;
        limits.record_bytes_max = limits.record_bytes_max.clamp(1, 64 << 20);
        limits.batch_bytes_max = limits.batch_bytes_max.clamp(limits.record_bytes_max, 128 << 20);
        limits.queued_bytes_max =
            limits.queued_bytes_max.clamp(limits.batch_bytes_max, u32::MAX as usize >> 3);
        limits.batch_records_max = limits.batch_records_max.clamp(1, 100_000);
        limits.page_records_max = limits.page_records_max.max(1);
        limits.partitions_max = limits.partitions_max.clamp(1, 65_536);
        self.segment_bytes = self.segment_bytes.min(limits.bytes_max / 16).max(64 << 10);
        self.early_bytes = self.early_bytes.max(1);
        self.group_bytes_max = self.group_bytes_max.clamp(1, 64 << 20);
        self.reads_max = self.reads_max.max(1);
        self.recent_groups_max = self.recent_groups_max.max(1);
        self
    }
}
