//! Where the edge hub keeps what waits and what it remembers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skerry_model::{Clock, Random};
use skerry_store::documents::Documents;
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{Limits, Log, Winner};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use crate::failure::Failure;

/// What waits may take of the disk, whatever the manifest allows.
const LOG_BYTES_MAX: u64 = 4 << 30;
/// Of what came last, in memory, for pumps that keep up: milliseconds at the highest rates, and at the usual ones it is
/// full in minutes and stays so.
const RECENT_BYTES_MAX: usize = 1 << 20;
/// Of a backlog in memory, ahead of those who read it.
const AHEAD_BYTES_MAX: usize = 1 << 20;
/// Pages of the documents in memory: an edge has few.
const CACHE_BYTES: usize = 1 << 20;

pub(super) struct Store {
    documents: Arc<EmbeddedDocuments>,
    log: Arc<Journal>,
}

impl Store {
    /// A log that cannot be used at all is put aside, loudly: nobody loses it without a word, and the edge goes on.
    pub(super) fn open(
        folder: &Path,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Self, Failure> {
        super::super::running::private_folder(folder).map_err(|error| unusable(folder, &error))?;
        let file = folder.join("documents.db");
        let documents = match open_documents(&file) {
            Ok(documents) => documents,
            Err(error) => {
                let aside = put_aside(&file)?;
                tracing::error!(%error, aside = %aside.display(), "What the edge hub remembered cannot be read, and was put aside.");
                open_documents(&file).map_err(Failure::failed)?
            }
        };
        let path = folder.join("log");
        let log = match open_log(&path, clock, random) {
            Ok(log) => log,
            Err(error) if path.exists() && !error.is_held => {
                let aside = put_aside(&path)?;
                tracing::error!(error = error.text, aside = %aside.display(), "The messages that wait cannot be read, and were put aside.");
                open_log(&path, clock, random).map_err(|error| Failure::failed(error.text))?
            }
            Err(error) => return Err(Failure::failed(error.text)),
        };
        let figures = log.figures();
        if figures.damaged > 0 {
            tracing::error!(
                places = figures.damaged,
                "The disk has damaged messages that wait; the others are there."
            );
        }
        Ok(Self { documents, log })
    }

    pub(super) fn documents(&self) -> Arc<dyn Documents> {
        Arc::clone(&self.documents) as _
    }

    pub(super) fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log) as _
    }

    /// Waits for the writers, which make whole what they have begun.
    pub(super) async fn close(self) {
        let close = move || {
            self.log.close();
            self.documents.close();
        };
        if let Err(error) = tokio::task::spawn_blocking(close).await {
            tracing::error!(%error, "The edge hub's store was not closed in order.");
        }
    }
}

struct LogError {
    text: String,
    /// By another process.
    is_held: bool,
}

fn open_documents(file: &Path) -> Result<Arc<EmbeddedDocuments>, skerry_store::OpenError> {
    let options = EmbeddedOptions { cache_bytes: CACHE_BYTES, readers: 1, ..EmbeddedOptions::new(file) };
    EmbeddedDocuments::open(options).map(Arc::new)
}

fn open_log(path: &Path, clock: &Arc<dyn Clock>, random: &Arc<dyn Random>) -> Result<Arc<Journal>, LogError> {
    let files = Directory::hold(path).map_err(|error| LogError {
        text: format!("cannot use the log {}: {error}", path.display()),
        is_held: true,
    })?;
    let mut options = JournalOptions::new(Arc::new(files), Arc::clone(clock), Arc::clone(random));
    options.limits = Limits {
        bytes_max: LOG_BYTES_MAX,
        winner: Winner::Cursors,
        partitions_max: 1,
        queued_bytes_max: 8 << 20,
        ..Limits::default()
    };
    options.recent_bytes_max = options.recent_bytes_max.min(RECENT_BYTES_MAX);
    // There is one reader with a backlog, or a few; what was read ahead of them stays until there is more.
    options.ahead_bytes_max = AHEAD_BYTES_MAX;
    let opened = Journal::open(options);
    opened.map(Arc::new).map_err(|error| LogError { text: error.to_string(), is_held: false })
}

/// Gives it a name that is free.
fn put_aside(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1..1000 {
        let aside = path.with_file_name(format!("{name}.damaged-{number}"));
        if !aside.exists() {
            std::fs::rename(path, &aside).map_err(|error| unusable(path, &error))?;
            return Ok(aside);
        }
    }
    Err(Failure::failed(format!("{}: a thousand damaged ones lie beside it, remove some", path.display())))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{} cannot be used: {error}", path.display()))
}
