//! A copy of the file while everything goes on.
//!
//! The copy is of one moment: a read transaction is held until it is done, during which the log
//! grows instead of being folded back. It is written beside its name, made durable, then renamed,
//! so a file under the name is a whole one. To restore, put it in place before opening.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::failure::{BackupError, OpenError};
use super::{EmbeddedOptions, file};

/// Pages copied in one step.
const STEP: i32 = 256;

pub(super) fn copy(options: &EmbeddedOptions, path: &Path) -> Result<(), BackupError> {
    let unwritable = |error| BackupError::Unwritable { path: path.to_owned(), error };
    if path.exists() {
        return Err(BackupError::Exists { path: path.to_owned() });
    }
    let partial = partial(path);
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    let source = file::open_reader(options).map_err(|error| match error {
        OpenError::Unusable { error, .. } => BackupError::Failed { path: path.to_owned(), error },
        other => unwritable(io::Error::other(other)),
    })?;
    if let Err(error) = pages(&source, &partial) {
        drop(fs::remove_file(&partial));
        return Err(BackupError::Failed { path: path.to_owned(), error });
    }
    keep(&partial, path).map_err(unwritable)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".partial");
    path.with_file_name(name)
}

fn pages(source: &Connection, partial: &Path) -> rusqlite::Result<()> {
    let mut target = Connection::open(partial)?;
    // What is cut off is thrown away, so it needs no journal; it is synced once, at the end.
    target.pragma_update(None, "journal_mode", "OFF")?;
    target.pragma_update(None, "synchronous", "OFF")?;
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT revision FROM state", [], |_| Ok(()))?;
    let backup = Backup::new(source, &mut target)?;
    while backup.step(STEP)? != StepResult::Done {}
    drop(backup);
    source.execute_batch("ROLLBACK")
}

fn keep(partial: &Path, path: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::rename(partial, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
