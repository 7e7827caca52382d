//! The handle: checks, stages, waits. All writing is on the thread behind it.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use skerry_model::Timestamp;
use tokio::sync::oneshot;

use super::follow::JournalFollower;
use super::group::Job;
use super::intake::Appending;
use super::read::Paging;
use super::recover::{JournalOpenError, recover};
use super::shared::Shared;
use super::writer::Writer;
use super::{JournalOptions, ahead, rewrite, syncer};
use crate::documents::Answer;
use crate::log::{
    AppendError, Batch, Busy, Cursor, CursorError, CursorId, Durability, Extent, Figures, Follower, From,
    Log, Misuse, Outcome, Outcomes, Page, Partition, Progress, ReadError, Reading, Sequence, Start,
};

/// A log in a directory of files. Share it behind an `Arc`; dropping it writes what is queued,
/// syncs it and joins the thread.
pub struct Journal {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What a job of the intake weighs beside its names.
const JOB_WEIGHT: usize = 64;

impl Journal {
    /// Opens or begins the log; recovery is part of it. Blocks for a moment.
    pub fn open(options: JournalOptions) -> Result<Self, JournalOpenError> {
        let options = options.settled();
        let recovered = recover(&*options.files, options.limits.producers_max, true)?;
        let shared = Arc::new(Shared::new(options, recovered.catalog, recovered.ledger));
        shared.counted.damaged.store(recovered.damaged, Relaxed);
        let writer = Writer::new(shared.clone(), recovered.next_number, recovered.previous);
        let journal = Self { shared: shared.clone(), threads: Mutex::default() };
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into()).spawn(work)?;
            journal.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
            Ok::<(), std::io::Error>(())
        };
        start("log-write", Box::new(move || writer.run()))?;
        let theirs = shared.clone();
        start("log-sync", Box::new(move || syncer::run(&theirs)))?;
        let theirs = shared.clone();
        start("log-ahead", Box::new(move || ahead::run(&theirs)))?;
        start("log-rewrite", Box::new(move || rewrite::run(&shared)))?;
        Ok(journal)
    }

    /// Writes what is queued, syncs it and joins the thread. Blocks until then; calls that come
    /// later are told `Closed`.
    pub fn close(&self) {
        self.shared.intake.close();
        self.shared.rewriting.close();
        self.shared.ahead.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.into_iter().map(JoinHandle::join).any(|joined| joined.is_err()) {
            tracing::error!("A thread of the log panicked.");
        }
        self.shared.reading.close();
        self.shared.wake_all();
    }

    async fn outcomes(&self, appending: Appending<'_>) -> Vec<Outcome> {
        let mut staged = self.shared.intake.finish(appending).await;
        let fate = match staged.fate.take() {
            // Only a writer that died leaves without an answer.
            Some(fate) => fate.await.unwrap_or(Err(AppendError::Unknown)),
            None => Ok(Timestamp::NEVER),
        };
        staged.outcomes(&fate)
    }

    async fn ask<T>(
        &self,
        weight: usize,
        durability: Durability,
        job: impl FnOnce(oneshot::Sender<Result<T, CursorError>>) -> Job,
    ) -> Result<T, CursorError> {
        let (answer, outcome) = oneshot::channel();
        let entered = self.shared.intake.ask(job(answer), JOB_WEIGHT + weight, durability).await;
        entered.map_err(|error| match error {
            AppendError::Busy(busy) => CursorError::Busy(busy),
            AppendError::Broken(broken) => CursorError::Broken(broken),
            _ => CursorError::Closed,
        })?;
        outcome.await.unwrap_or(Err(CursorError::Closed))
    }

    async fn extent_now(&self, partition: Partition) -> Result<Extent, ReadError> {
        let shared = self.shared.clone();
        let Some(gate) = shared.gate(partition) else { return Err(no_partition(partition)) };
        let next = gate.next.load(SeqCst);
        let oldest = blocking(&self.shared, move |shared| {
            let oldest = shared.catalog.oldest();
            let head = oldest.and_then(|oldest| oldest.head(&*shared.options.files).ok().flatten());
            Ok(head.map_or(0, |head| head.start(partition.number())))
        })
        .await?;
        let first = gate.first.load(SeqCst).max(oldest).min(next);
        Ok(Extent {
            first: Sequence::from_number(first),
            next: Sequence::from_number(next),
            newest: Timestamp::from_ticks(gate.newest.load(SeqCst)),
        })
    }
}

/// One page, from memory or by a thread that may block.
pub(super) async fn page(shared: &Arc<Shared>, reading: Reading) -> Result<Page, ReadError> {
    let Some(mut paging) = Paging::new(shared, &reading) else { return Err(no_partition(reading.partition)) };
    if paging.is_done()
        || (!matches!(reading.from, From::Time(_) | From::Oldest)
            && (paging.fill_from_memory() || paging.fill_from_ahead()))
    {
        return Ok(paging.page());
    }
    blocking(shared, move |shared| {
        let Some(mut paging) = Paging::new(shared, &reading) else {
            return Err(no_partition(reading.partition));
        };
        paging.fill_from_disk()?;
        Ok(paging.page())
    })
    .await
}

/// Runs `work` beside the runtime; a bounded number at a time.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let wait_max = shared.options.limits.wait_max;
    let turn = match tokio::time::timeout(wait_max, shared.reading.acquire()).await {
        Ok(turn) => turn.map_err(|_| ReadError::Closed)?,
        Err(_) => return Err(Busy { queued_bytes: shared.intake.waiting().0 }.into()),
    };
    let theirs = shared.clone();
    let done = tokio::task::spawn_blocking(move || work(&theirs)).await;
    drop(turn);
    done.unwrap_or(Err(ReadError::Closed))
}

fn no_partition(partition: Partition) -> ReadError {
    Misuse { what: format!("there is no partition {}", partition.number()) }.into()
}

impl Log for Journal {
    fn append(&self, batch: Batch) -> Outcomes<'_> {
        let appending = self.shared.intake.append(batch);
        Box::pin(self.outcomes(appending))
    }

    fn read(&self, reading: Reading) -> Answer<'_, Page, ReadError> {
        Box::pin(async move { page(&self.shared, reading).await })
    }

    fn follow(&self, reading: Reading) -> Box<dyn Follower> {
        Box::new(JournalFollower::new(self.shared.clone(), reading))
    }

    fn extent(&self, partition: Partition) -> Answer<'_, Extent, ReadError> {
        Box::pin(self.extent_now(partition))
    }

    fn trim(&self, partition: Partition, before: Sequence) -> Answer<'_, (), CursorError> {
        Box::pin(async move {
            if self.shared.gate(partition).is_none() {
                return Err(Misuse { what: format!("there is no partition {}", partition.number()) }.into());
            }
            self.ask(0, Durability::Written, |answer| Job::Trim { partition, before, answer }).await
        })
    }

    fn cursor<'a>(&'a self, name: &'a str, mut start: Start) -> Answer<'a, Cursor, CursorError> {
        Box::pin(async move {
            if let From::Time(_) = start.from {
                let reading = Reading::new(start.partition, start.from).at_most(1, 1);
                let page = page(&self.shared, reading).await.map_err(CursorError::from)?;
                let first = page.records.first().map_or(page.next, |record| record.sequence);
                start.from = From::Sequence(first);
            }
            let name = name.to_owned();
            self.ask(name.len(), Durability::Synced, |answer| Job::Open { name, start, answer }).await
        })
    }

    fn advance(&self, cursor: CursorId, progress: Progress) -> Answer<'_, (), CursorError> {
        let (weight, durability) = (progress.settled.len() * 8, progress.durability);
        Box::pin(self.ask(weight, durability, move |answer| Job::Advance { id: cursor, progress, answer }))
    }

    fn drop_cursor(&self, cursor: CursorId) -> Answer<'_, (), CursorError> {
        Box::pin(self.ask(0, Durability::Synced, move |answer| Job::Drop { id: cursor, answer }))
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.shared.ledger().cursors()
    }

    fn cursor_bytes(&self, cursor: CursorId) -> Option<u64> {
        self.shared.ledger().cursors.get(&cursor).map(|cursor| cursor.bytes)
    }

    fn figures(&self) -> Figures {
        let counted = &self.shared.counted;
        let (queued_bytes, turned_away) = self.shared.intake.waiting();
        Figures {
            records: counted.records.load(Relaxed),
            record_bytes: counted.record_bytes.load(Relaxed),
            repetitions: counted.repetitions.load(Relaxed),
            groups: counted.groups.load(Relaxed),
            syncs: counted.syncs.load(Relaxed),
            syncs_failed: counted.syncs_failed.load(Relaxed),
            written_bytes: counted.written_bytes.load(Relaxed),
            disk_bytes: self.shared.catalog.bytes(),
            segments: self.shared.catalog.len() as u64,
            queued_bytes,
            turned_away,
            full: counted.full.load(Relaxed),
            removed_by_age_bytes: counted.removed_by_age_bytes.load(Relaxed),
            removed_by_cap_bytes: counted.removed_by_cap_bytes.load(Relaxed),
            removed_settled_bytes: counted.removed_settled_bytes.load(Relaxed),
            rewritten_bytes: counted.rewritten_bytes.load(Relaxed),
            reads: counted.reads.load(Relaxed),
            damaged: counted.damaged.load(Relaxed),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
