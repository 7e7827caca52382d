//! The bounds that every engine keeps.

use std::time::Duration;

/// Who gives way when the log is at its cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Winner {
    /// New records: the oldest go, whether they were read or not.
    #[default]
    Retention,
    /// Cursors: what they want stays, new records are refused as [`super::Full::Cap`].
    Cursors,
}

/// Bounds of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk (in memory for the memory engine).
    pub bytes_max: u64,
    /// Records older than this go, unless a cursor of a [`Winner::Cursors`] log wants them.
    pub age_max: Option<Duration>,
    pub winner: Winner,
    /// Headers and payload of one record.
    pub record_bytes_max: usize,
    /// Headers and payloads of one batch.
    pub batch_bytes_max: usize,
    /// Records of one batch.
    pub batch_records_max: usize,
    /// Bytes that wait for the writer; beyond it callers wait.
    pub queued_bytes_max: usize,
    /// For how long they wait, if they are not patient.
    pub wait_max: Duration,
    /// Records and bytes of a page, whatever the reader asks for. One record always fits.
    pub page_records_max: usize,
    pub page_bytes_max: usize,
    /// Partitions are 0 up to here, exclusive.
    pub partitions_max: u32,
    pub cursors_max: usize,
    pub cursor_name_bytes_max: usize,
    /// Cursors that want one record.
    pub wanted_by_max: usize,
    /// Settled records beyond a cursor's position.
    pub settled_max: usize,
    /// Producers whose names are remembered; the longest silent are forgotten.
    pub producers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 30,
            age_max: None,
            winner: Winner::Retention,
            record_bytes_max: 1 << 20,
            batch_bytes_max: 4 << 20,
            batch_records_max: 10_000,
            queued_bytes_max: 64 << 20,
            wait_max: Duration::from_secs(5),
            page_records_max: 10_000,
            page_bytes_max: 4 << 20,
            partitions_max: 1024,
            cursors_max: 1024,
            cursor_name_bytes_max: 512,
            wanted_by_max: 64,
            settled_max: 8192,
            producers_max: 4096,
        }
    }
}
