//! What the log behind the telemetry counts.

use skerry_store::log::Figures;

use super::{
    Kind::{Counter, Gauge},
    Row,
};

pub(super) fn figures(log: &Figures) -> [Row; 17] {
    [
        ("log_records", Counter, "Messages that the log placed", log.records),
        ("log_record_bytes", Counter, "Bytes of messages that the log placed", log.record_bytes),
        ("log_repetitions", Counter, "Messages that were there already", log.repetitions),
        ("log_groups", Counter, "Groups of messages written together", log.groups),
        ("log_syncs", Counter, "Times that the log waited for the disk", log.syncs),
        ("log_syncs_failed", Counter, "Times that the disk failed it", log.syncs_failed),
        ("log_written_bytes", Counter, "Bytes written to the log's files", log.written_bytes),
        ("log_disk_bytes", Gauge, "Bytes that the log's files have", log.disk_bytes),
        ("log_segments", Gauge, "Files that the log has", log.segments),
        ("log_queued_bytes", Gauge, "Bytes waiting to be written", log.queued_bytes),
        ("log_turned_away", Counter, "Batches turned away because the queue stayed full", log.turned_away),
        ("log_refused_full", Counter, "Batches refused because the disk or the cap was full", log.full),
        ("log_removed_by_age_bytes", Counter, "Bytes removed because of their age", log.removed_by_age_bytes),
        ("log_removed_by_cap_bytes", Counter, "Bytes removed to make room", log.removed_by_cap_bytes),
        ("log_rewritten_bytes", Counter, "Bytes copied because a reader lags", log.rewritten_bytes),
        ("log_reads", Counter, "Messages read from the log", log.reads),
        ("log_damaged", Counter, "Places of the log that could not be read back", log.damaged),
    ]
}
