//! What uploads and their blobs count.

use skerry_store::blobs;

use super::{
    Kind::{Counter, Gauge},
    Row,
};
use crate::files::FileFigures;

pub(super) fn figures(files: &FileFigures, blobs: &blobs::Figures) -> [Row; 14] {
    [
        ("files", Gauge, "Files that are kept", blobs.blobs),
        ("files_bytes", Gauge, "Bytes of files that are kept", blobs.blob_bytes),
        ("files_blocks", Gauge, "Blocks that wait to become part of a file", blobs.blocks_waiting),
        ("files_blocks_bytes", Gauge, "Bytes of blocks that wait", blobs.blocks_waiting_bytes),
        ("files_writing_bytes", Gauge, "Bytes that are being written", blobs.writing_bytes),
        ("files_refused_full", Counter, "Writes refused because there was no room", blobs.refused_full),
        ("files_damaged", Counter, "Times that a file could not be read back", blobs.damaged),
        ("files_uploads_begun", Counter, "Uploads that devices began", files.begun),
        ("files_uploads_succeeded", Counter, "Uploads that devices finished", files.succeeded),
        ("files_uploads_failed", Counter, "Uploads that devices gave up", files.failed),
        ("files_removed_by_age", Counter, "Files removed because of their age", files.swept_blobs),
        ("files_blocks_removed", Counter, "Blocks removed because nobody used them", files.swept_blocks),
        (
            "files_notices_waiting",
            Gauge,
            "Notices about files that nobody has settled",
            files.notices_waiting,
        ),
        ("files_notices_dropped", Counter, "Notices about files that nobody settled", files.notices_dropped),
    ]
}
