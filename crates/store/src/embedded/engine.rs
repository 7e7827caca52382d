//! The handle: checks, queues, waits. All work is on the threads behind it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::failure::{BackupError, OpenError};
use super::file::Held;
use super::follow::EmbeddedFollower;
use super::index::{Declaration, Definition, states};
use super::queue::Queue;
use super::readers::Readers;
use super::row;
use super::scan::{Allowance, Window, count_keys, window};
use super::tally::{looks_at_all, tally};
use super::writer::Writer;
use super::{EmbeddedOptions, backup, file};
use crate::documents::judge::measured;
use crate::documents::{
    Answer, Commit, CommitError, Document, Documents, Field, Figures, Follower, IndexState, Key, Late,
    Narrow, Page, ReadError, Revision, Scan, Space,
};

/// Documents in a SQLite file. Share it behind an `Arc`; dropping it ends the queued commits,
/// folds the log back and joins the threads.
pub struct EmbeddedDocuments {
    shared: Arc<Shared>,
    readers: Readers,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
    held: Option<Held>,
}

/// What the handle and the writer share.
pub(super) struct Shared {
    pub(super) options: EmbeddedOptions,
    pub(super) queue: Queue,
    pub(super) newest: watch::Sender<Revision>,
    pub(super) indexes: Mutex<Arc<Vec<Definition>>>,
    pub(super) counted: Counted,
}

#[derive(Default)]
pub(super) struct Counted {
    pub(super) commits: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) full: AtomicU64,
    turned_away: AtomicU64,
    reads: AtomicU64,
    examined: AtomicU64,
}

impl EmbeddedDocuments {
    /// Opens or creates the file; recovery is part of it. Blocks for a moment.
    pub fn open(options: EmbeddedOptions) -> Result<Self, OpenError> {
        let options = options.settled();
        let held = Held::take(&options)?;
        let connection = file::open_writer(&options)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(&options),
            newest: watch::Sender::new(Revision::ZERO),
            indexes: Mutex::default(),
            counted: Counted::default(),
            options,
        });
        let path = &shared.options.path;
        let writer = Writer::new(connection, shared.clone())
            .map_err(|error| OpenError::Unusable { path: path.clone(), error })?;
        let (readers, reading) = Readers::start(&shared.options)?;
        let engine = Self {
            shared: shared.clone(),
            readers,
            threads: Mutex::new(Threads { readers: reading, writer: None, held: Some(held) }),
        };
        let writing = std::thread::Builder::new()
            .name("documents-write".into())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Thread { error })?;
        engine.threads.lock().unwrap_or_else(PoisonError::into_inner).writer = Some(writing);
        Ok(engine)
    }

    /// Ends what is queued, folds the log back and joins the threads. Blocks until then; calls
    /// that come later are told `Closed`.
    pub fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        self.readers.close();
        // Followers that wait look up and see that it is over.
        self.shared.newest.send_modify(|_| {});
        let _held = threads.held;
        threads.readers.into_iter().for_each(|thread| drop(thread.join()));
        self.shared.queue.close();
        if let Some(Err(_)) = threads.writer.map(JoinHandle::join) {
            tracing::error!("The writer of the document store panicked.");
        }
    }

    /// Copies the store as it is at this moment to a new file, durably. Writing goes on.
    pub async fn backup_to(&self, path: &Path) -> Result<(), BackupError> {
        let (shared, path) = (self.shared.clone(), path.to_owned());
        let copied = tokio::task::spawn_blocking(move || backup::copy(&shared.options, &path)).await;
        copied.unwrap_or(Err(BackupError::Closed))
    }

    fn definitions(&self) -> Arc<Vec<Definition>> {
        self.shared.indexes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A transaction that begins now shows everything that was answered; more cannot be had.
    fn reached(&self, at_least: Option<Revision>) -> Result<Revision, ReadError> {
        let seen = self.revision();
        match at_least {
            Some(wanted) if wanted > seen => Err(Late { wanted, seen }.into()),
            _ => Ok(seen),
        }
    }

    async fn commit_queued(&self, commit: Commit) -> Result<Revision, CommitError> {
        let options = &self.shared.options;
        let bytes = measured(&commit, options.commit_changes_max, options.commit_bytes_max)?;
        let outcome = self.shared.queue.push(commit, bytes).await.inspect_err(|error| {
            if matches!(error, CommitError::Busy(_)) {
                self.shared.counted.turned_away.fetch_add(1, Relaxed);
            }
        })?;
        // Only a writer that died leaves without an answer.
        outcome.await.unwrap_or(Err(CommitError::Unknown))
    }

    async fn next_window(&self, scan: &Scan, allowance: Allowance) -> Result<Window, ReadError> {
        let (scan, indexes) = (scan.clone(), self.definitions());
        let found =
            self.readers.run(move |connection| window(connection, &scan, &indexes, allowance)).await?;
        let counted = &self.shared.counted;
        counted.examined.fetch_add(found.examined as u64, Relaxed);
        counted.reads.fetch_add(found.documents.len() as u64, Relaxed);
        Ok(found)
    }

    async fn page(&self, mut scan: Scan) -> Result<Page, ReadError> {
        let mut page = Page { documents: Vec::new(), next: None, revision: self.reached(scan.at_least)? };
        let (mut bytes, mut examined) = (0, 0);
        loop {
            let allowance = Allowance {
                limit: scan.limit.max(1) - page.documents.len(),
                bytes: scan.bytes_max.saturating_sub(bytes),
                examine: scan.examine_max.max(1) - examined,
                first: page.documents.is_empty(),
                count_only: false,
            };
            let mut found = self.next_window(&scan, allowance).await?;
            page.documents.append(&mut found.documents);
            bytes += found.bytes;
            examined += found.examined;
            if found.ended && !found.full {
                return Ok(page);
            }
            scan.after = found.at;
            if found.full || page.documents.len() >= scan.limit.max(1) || examined >= scan.examine_max {
                page.next = scan.after;
                return Ok(page);
            }
        }
    }

    async fn count_all(&self, mut scan: Scan) -> Result<u64, ReadError> {
        self.reached(scan.at_least)?;
        if scan.accept.is_none() && scan.narrow == Narrow::All {
            return self.readers.run(move |connection| count_keys(connection, &scan)).await;
        }
        scan.after = None;
        if looks_at_all(&scan, &self.definitions()) {
            return self.count_rows(scan).await;
        }
        let most = usize::MAX;
        let allowance = Allowance { limit: most, bytes: most, examine: most, first: true, count_only: true };
        let mut count = 0;
        loop {
            let found = self.next_window(&scan, allowance).await?;
            count += found.found;
            if found.ended {
                return Ok(count);
            }
            scan.after = found.at;
        }
    }

    async fn count_rows(&self, scan: Scan) -> Result<u64, ReadError> {
        let (mut count, mut next) = (0, Some(0));
        while let Some(after) = next {
            let scan = scan.clone();
            let found = self.readers.run(move |connection| tally(connection, &scan, after)).await?;
            self.shared.counted.examined.fetch_add(found.examined, Relaxed);
            count += found.found;
            next = found.next;
        }
        Ok(count)
    }
}

impl Drop for EmbeddedDocuments {
    fn drop(&mut self) {
        self.close();
    }
}

impl Documents for EmbeddedDocuments {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        at_least: Option<Revision>,
    ) -> Answer<'a, Option<Document>, ReadError> {
        Box::pin(async move {
            self.reached(at_least)?;
            self.shared.counted.reads.fetch_add(1, Relaxed);
            self.readers.get(key).await
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        at_least: Option<Revision>,
    ) -> Answer<'a, Vec<Option<Document>>, ReadError> {
        Box::pin(async move {
            self.reached(at_least)?;
            self.shared.counted.reads.fetch_add(keys.len() as u64, Relaxed);
            let mut found = Vec::with_capacity(keys.len());
            for some in keys.chunks(super::scan::WINDOW) {
                let some = some.to_vec();
                let read = self.readers.run(move |connection| {
                    let mut one = connection.prepare_cached(row::ONE)?;
                    some.into_iter().map(|key| row::one(&mut one, key)).collect::<Result<Vec<_>, _>>()
                });
                found.extend(read.await?);
            }
            Ok(found)
        })
    }

    fn commit(&self, commit: Commit) -> Answer<'_, Revision, CommitError> {
        Box::pin(self.commit_queued(commit))
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Page, ReadError> {
        Box::pin(self.page(scan))
    }

    fn count(&self, scan: Scan) -> Answer<'_, u64, ReadError> {
        Box::pin(self.count_all(scan))
    }

    fn follow(&self, from: Revision) -> Box<dyn Follower> {
        let newest = self.shared.newest.subscribe();
        Box::new(EmbeddedFollower { readers: self.readers.clone(), newest, from })
    }

    fn revision(&self) -> Revision {
        *self.shared.newest.borrow()
    }

    fn latest(&self) -> Answer<'_, Revision, ReadError> {
        Box::pin(async { Ok(self.revision()) })
    }

    fn declare_index<'a>(&'a self, space: Space, fields: &'a [Field]) -> Answer<'a, (), CommitError> {
        Box::pin(async move {
            let outcome = self.shared.queue.order(Declaration::Declare(space, fields.to_vec()))?;
            outcome.await.unwrap_or(Err(CommitError::Unknown))
        })
    }

    fn drop_index<'a>(&'a self, space: Space, fields: &'a [Field]) -> Answer<'a, (), CommitError> {
        Box::pin(async move {
            let outcome = self.shared.queue.order(Declaration::Drop(space, fields.to_vec()))?;
            outcome.await.unwrap_or(Err(CommitError::Unknown))
        })
    }

    fn indexes(&self) -> Vec<IndexState> {
        states(&self.definitions())
    }

    fn figures(&self) -> Figures {
        let counted = &self.shared.counted;
        let (queued, queued_bytes) = self.shared.queue.waiting();
        Figures {
            commits: counted.commits.load(Relaxed),
            conflicts: counted.conflicts.load(Relaxed),
            groups: counted.groups.load(Relaxed),
            queued,
            queued_bytes,
            turned_away: counted.turned_away.load(Relaxed),
            full: counted.full.load(Relaxed),
            reads_queued: self.readers.waiting(),
            reads_turned_away: self.readers.turned_away(),
            reads: counted.reads.load(Relaxed),
            examined: counted.examined.load(Relaxed),
        }
    }
}
