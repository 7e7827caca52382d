//! What SQLite's failures mean to callers.

use std::path::PathBuf;

use rusqlite::{Error, ErrorCode};

use crate::documents::{CommitError, Damaged, Full, ReadError};

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path:?} is not a document store of Skerry (application id {found:#x}); name another file")]
    Foreign { path: PathBuf, found: i32 },
    #[error("{path:?} has format {found}, this program knows {known}; start the newer program that wrote it")]
    Newer { path: PathBuf, found: i32, known: i32 },
    #[error("{path:?} is in use by another process, or twice in this one; stop that one first")]
    InUse { path: PathBuf },
    #[error("{path:?} cannot be opened: {error}")]
    Unusable { path: PathBuf, error: Error },
    #[error("a thread of the document store cannot be started: {error}")]
    Thread { error: std::io::Error },
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path:?} exists already; name a new file")]
    Exists { path: PathBuf },
    #[error("the backup cannot be written to {path:?}: {error}")]
    Unwritable { path: PathBuf, error: std::io::Error },
    #[error("the backup to {path:?} failed: {error}")]
    Failed { path: PathBuf, error: Error },
    #[error("the document store is shutting down")]
    Closed,
}

/// What is left after a failed statement or COMMIT.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// No room; nothing was changed.
    Full,
    /// The engine stops writing.
    Damaged(Damaged),
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Failure::Full,
            _ => Failure::Damaged(damaged(error)),
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Full.into(),
            Failure::Damaged(damaged) => damaged.into(),
        }
    }
}

pub(super) fn damaged(error: &Error) -> Damaged {
    Damaged { what: error.to_string() }
}

pub(super) fn unreadable(error: &Error) -> ReadError {
    damaged(error).into()
}
