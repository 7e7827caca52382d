//! What the store of documents counts.

use skerry_store::documents::Figures;

use super::{
    Kind::{Counter, Gauge},
    Row,
};

pub(super) fn figures(documents: &Figures) -> [Row; 11] {
    [
        ("documents_commits", Counter, "Commits answered with success", documents.commits),
        (
            "documents_conflicts",
            Counter,
            "Commits refused because the document had changed",
            documents.conflicts,
        ),
        ("documents_groups", Counter, "Groups of commits made durable together", documents.groups),
        ("documents_queued", Gauge, "Changes waiting for the writer", documents.queued),
        ("documents_queued_bytes", Gauge, "Bytes waiting for the writer", documents.queued_bytes),
        (
            "documents_turned_away",
            Counter,
            "Commits turned away because the queue stayed full",
            documents.turned_away,
        ),
        (
            "documents_refused_full",
            Counter,
            "Groups of commits refused because the disk was full",
            documents.full,
        ),
        ("documents_reads_queued", Gauge, "Reads waiting for their turn", documents.reads_queued),
        (
            "documents_reads_turned_away",
            Counter,
            "Reads turned away because the queue stayed full",
            documents.reads_turned_away,
        ),
        ("documents_reads", Counter, "Documents read", documents.reads),
        ("documents_examined", Counter, "Documents looked at by queries", documents.examined),
    ]
}
