//! What an engine counts.

/// Gauges are of the moment, counters since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Records placed.
    pub records: u64,
    /// Bytes of their headers and payloads.
    pub record_bytes: u64,
    /// Records that were there already.
    pub repetitions: u64,
    /// Groups written; one fsync each at most.
    pub groups: u64,
    /// Times that the log waited for the disk.
    pub syncs: u64,
    /// Syncs that failed.
    pub syncs_failed: u64,
    /// Bytes written to the log's files.
    pub written_bytes: u64,
    /// Bytes that the log's files have now.
    pub disk_bytes: u64,
    /// Files that the log has now.
    pub segments: u64,
    /// Bytes waiting for the writer.
    pub queued_bytes: u64,
    /// Batches turned away because the queue was full for too long.
    pub turned_away: u64,
    /// Batches refused because the disk or the cap was full.
    pub full: u64,
    /// Bytes of files removed because of their age.
    pub removed_by_age_bytes: u64,
    /// Bytes of files removed to make room, read or not.
    pub removed_by_cap_bytes: u64,
    /// Bytes of files removed because nobody wants them any more.
    pub removed_settled_bytes: u64,
    /// Bytes that were copied because a reader lags.
    pub rewritten_bytes: u64,
    /// Records read.
    pub reads: u64,
    /// Places in the files that could not be read back.
    pub damaged: u64,
}
