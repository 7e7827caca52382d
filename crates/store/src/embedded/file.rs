//! Opening the file: whose it is, its tables, its settings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::EmbeddedOptions;
use super::failure::OpenError;

/// "Skry" in the file's header.
const APPLICATION_ID: i32 = 0x536b_7279;
/// Raised with every change of the tables; older files are brought up when opened.
const FORMAT: i32 = 1;

const TABLES: &str = "
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    grp TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    packed BLOB NOT NULL,
    identity BLOB NOT NULL,
    tags BLOB NOT NULL,
    sealed BLOB NOT NULL,
    desired BLOB NOT NULL,
    reported BLOB NOT NULL
);
CREATE UNIQUE INDEX documents_key ON documents (space, grp, name);
CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    space INTEGER NOT NULL,
    grp TEXT NOT NULL,
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    note BLOB NOT NULL
);
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL,
    next INTEGER NOT NULL,
    trimmed INTEGER NOT NULL,
    change_bytes INTEGER NOT NULL
);
INSERT INTO state VALUES (1, 0, 1, 0, 0);
CREATE TABLE indexes (
    id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    fields TEXT NOT NULL,
    stage INTEGER NOT NULL,
    done INTEGER NOT NULL,
    filled INTEGER NOT NULL
);
";

/// The files that are open in this process. SQLite keeps other processes out, but not a second
/// engine here, which would give the same revisions again.
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Holds a file for one engine.
pub(super) struct Held(PathBuf);

impl Held {
    pub(super) fn take(options: &EmbeddedOptions) -> Result<Self, OpenError> {
        // What cannot be found now cannot be opened either, and says so better then.
        let directory = options.path.parent().and_then(|parent| parent.canonicalize().ok());
        let name = options.path.file_name().map(PathBuf::from).unwrap_or_default();
        let path = directory.unwrap_or_default().join(name);
        match OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            true => Ok(Self(path)),
            false => Err(OpenError::InUse { path: options.path.clone() }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// The connection that writes. Creates the file where there is none.
pub(super) fn open_writer(options: &EmbeddedOptions) -> Result<Connection, OpenError> {
    let connection = connect(options, OpenFlags::SQLITE_OPEN_CREATE)?;
    prepare(&connection, options).map_err(|error| unusable(options, error))??;
    Ok(connection)
}

/// A connection that reads, after the writer has prepared the file.
pub(super) fn open_reader(options: &EmbeddedOptions) -> Result<Connection, OpenError> {
    let connection = connect(options, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true).map_err(|error| unusable(options, error))?;
    Ok(connection)
}

fn connect(options: &EmbeddedOptions, more: OpenFlags) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let open = || {
        let connection = match options.vfs_name() {
            Some(vfs) => Connection::open_with_flags_and_vfs(&options.path, flags, vfs)?,
            None => Connection::open_with_flags(&options.path, flags)?,
        };
        connection.set_prepared_statement_cache_capacity(256);
        let share = options.cache_bytes / (options.readers + 1);
        connection.pragma_update(None, "cache_size", -((share / 1024).max(64) as i64))?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    };
    open().map_err(|error| unusable(options, error))
}

fn unusable(options: &EmbeddedOptions, error: rusqlite::Error) -> OpenError {
    let path = options.path.clone();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse { path },
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path, found: 0 },
        _ => OpenError::Unusable { path, error },
    }
}

fn prepare(connection: &Connection, options: &EmbeddedOptions) -> rusqlite::Result<Result<(), OpenError>> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let path = || options.path.clone();
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (owner, format) = (number("application_id")?, number("user_version")?);
    let fresh = tables == 0 && owner == 0 && format == 0;
    if !fresh && owner != APPLICATION_ID {
        return Ok(Err(OpenError::Foreign { path: path(), found: owner }));
    }
    if format > FORMAT {
        return Ok(Err(OpenError::Newer { path: path(), found: format, known: FORMAT }));
    }
    if fresh {
        // Both only take effect before the first table.
        connection.pragma_update(None, "page_size", 4096)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if options.synced { "FULL" } else { "OFF" })?;
    // When and how much is folded back is our own policy.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", options.checkpoint_bytes as i64 * 4)?;
    if let Some(bytes) = options.file_bytes_max {
        connection.pragma_update(None, "max_page_count", (bytes / 4096).max(1) as i64)?;
    }
    if fresh {
        let last = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};");
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} {last} COMMIT;"))?;
    }
    Ok(Ok(()))
}
