//! Where the data lies while a bench runs.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::disk;

/// A folder that goes away with its handle.
pub(crate) fn make(directory: Option<&PathBuf>) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("skerry-bench-");
    match directory {
        Some(directory) => builder.tempdir_in(directory),
        None => builder.tempdir(),
    }
}

/// What the numbers depend on: processors and the file system.
pub(crate) fn describe(folder: &Path) -> String {
    let system = disk::file_system(folder).unwrap_or_else(|| "unknown".to_owned());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("{processors} processors, file system {system}");
    if system == "tmpfs" {
        text.push_str(
            "\nThis is memory, not a disk: durable commits cost nothing here. Choose with --directory.",
        );
    }
    text
}
