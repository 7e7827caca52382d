//! What a module has written, in files of its own: `log` is the newest, `log.1` the one before.
//!
//! Each line is an object as the `json-file` driver of engines writes it: `log`, `stream` and `time`. A file
//! that is full is put behind the others, and the oldest goes. A line that cannot be written, because the disk
//! is full, is lost: the module runs on.

mod files;
mod reader;

pub(super) use files::{LogFiles, limits};
pub(super) use reader::read;

/// Longer lines are cut, as engines do.
pub(super) const LINE_BYTES_MAX: usize = 16 << 10;
