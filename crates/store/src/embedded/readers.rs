//! The threads that read.
//!
//! One bounded queue, any reader takes the next jobs. Point reads that wait together share one
//! read transaction; everything else is one short transaction each.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::failure::{OpenError, unreadable};
use super::{EmbeddedOptions, file, row};
use crate::documents::{Busy, Damaged, Document, Key, ReadError};

type Task = Box<dyn FnOnce(&Connection) + Send>;

/// Jobs that one reader takes at once.
const DRAIN: usize = 64;

enum Job {
    Get(Key, oneshot::Sender<rusqlite::Result<Option<Document>>>, OwnedSemaphorePermit),
    Task(Task, OwnedSemaphorePermit),
}

/// Cloning shares the threads.
#[derive(Clone)]
pub(super) struct Readers {
    line: Arc<Line>,
}

struct Line {
    inner: Mutex<Inner>,
    arrived: Condvar,
    room: Arc<Semaphore>,
    room_max: usize,
    wait_max: Duration,
    turned_away: AtomicU64,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl Readers {
    pub(super) fn start(options: &EmbeddedOptions) -> Result<(Self, Vec<JoinHandle<()>>), OpenError> {
        let line = Arc::new(Line {
            inner: Mutex::default(),
            arrived: Condvar::new(),
            room: Arc::new(Semaphore::new(options.reads_queued_max)),
            room_max: options.reads_queued_max,
            wait_max: options.wait_max,
            turned_away: AtomicU64::new(0),
        });
        let readers = Self { line };
        let mut threads = Vec::new();
        for number in 0..options.readers {
            let opened = file::open_reader(options).and_then(|connection| {
                let line = readers.line.clone();
                std::thread::Builder::new()
                    .name(format!("documents-read-{number}"))
                    .spawn(move || line.run(&connection))
                    .map_err(|error| OpenError::Thread { error })
            });
            match opened {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    readers.close();
                    threads.into_iter().for_each(|thread| drop(thread.join()));
                    return Err(error);
                }
            }
        }
        Ok((readers, threads))
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Document>, ReadError> {
        let (answer, outcome) = oneshot::channel();
        let room = self.room().await?;
        self.push(Job::Get(key.clone(), answer, room))?;
        outcome.await.map_err(|_| lost())?.map_err(|error| unreadable(&error))
    }

    /// Runs `work` in one read transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (answer, outcome) = oneshot::channel();
        let room = self.room().await?;
        let task = move |connection: &Connection| {
            drop(answer.send(reading(connection, || work(connection))));
        };
        self.push(Job::Task(Box::new(task), room))?;
        outcome.await.map_err(|_| lost())?.map_err(|error| unreadable(&error))
    }

    async fn room(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        let room = &self.line.room;
        if let Ok(permit) = room.clone().try_acquire_owned() {
            return Ok(permit);
        }
        match tokio::time::timeout(self.line.wait_max, room.clone().acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| ReadError::Closed),
            Err(_) => {
                self.line.turned_away.fetch_add(1, Relaxed);
                Err(Busy { queued: self.waiting() }.into())
            }
        }
    }

    fn push(&self, job: Job) -> Result<(), ReadError> {
        let mut inner = self.line.lock();
        if inner.closed {
            return Err(ReadError::Closed);
        }
        inner.jobs.push_back(job);
        let wake = inner.idle > 0;
        drop(inner);
        if wake {
            self.line.arrived.notify_one();
        }
        Ok(())
    }

    pub(super) fn waiting(&self) -> u64 {
        (self.line.room_max - self.line.room.available_permits()) as u64
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.line.turned_away.load(Relaxed)
    }

    pub(super) fn closed(&self) -> bool {
        self.line.room.is_closed()
    }

    /// No more jobs; those that wait are still done.
    pub(super) fn close(&self) {
        self.line.lock().closed = true;
        self.line.room.close();
        self.line.arrived.notify_all();
    }
}

impl Line {
    fn run(&self, connection: &Connection) {
        let mut jobs = VecDeque::with_capacity(DRAIN);
        while self.take(&mut jobs) {
            while let Some(job) = jobs.pop_front() {
                match job {
                    Job::Task(task, _room) => {
                        // `accept` is the caller's code: its panic must not end this thread. The
                        // caller learns it by the answer that never comes.
                        if catch_unwind(AssertUnwindSafe(|| task(connection))).is_err() {
                            tracing::error!("A question to the document store panicked.");
                            drop(connection.execute_batch("ROLLBACK"));
                        }
                    }
                    Job::Get(key, answer, room) => {
                        let mut gets = vec![(key, answer, room)];
                        while let Some(Job::Get(..)) = jobs.front() {
                            if let Some(Job::Get(key, answer, room)) = jobs.pop_front() {
                                gets.push((key, answer, room));
                            }
                        }
                        get_all(connection, gets);
                    }
                }
            }
        }
    }

    /// Waits for jobs; `false` when there will be none.
    fn take(&self, jobs: &mut VecDeque<Job>) -> bool {
        let mut inner = self.lock();
        while inner.jobs.is_empty() {
            if inner.closed {
                return false;
            }
            inner.idle += 1;
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle -= 1;
        }
        let count = inner.jobs.len().min(DRAIN);
        jobs.extend(inner.jobs.drain(..count));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Get = (Key, oneshot::Sender<rusqlite::Result<Option<Document>>>, OwnedSemaphorePermit);

fn get_all(connection: &Connection, gets: Vec<Get>) {
    let mut answers = Vec::with_capacity(gets.len());
    let read = reading(connection, || {
        let mut one = connection.prepare_cached(row::ONE)?;
        for (key, answer, room) in gets {
            answers.push((answer, row::one(&mut one, key), room));
        }
        Ok(())
    });
    if let Err(error) = read {
        tracing::error!(%error, "A read transaction failed.");
    }
    for (answer, found, _room) in answers {
        drop(answer.send(found));
    }
}

/// One read transaction around `work`.
pub(super) fn reading<T>(
    connection: &Connection,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let outcome = work();
    // A read transaction that cannot be ended would hold the log up for ever.
    let ended = connection.prepare_cached("ROLLBACK")?.execute([]);
    let value = outcome?;
    ended?;
    Ok(value)
}

fn lost() -> ReadError {
    Damaged { what: "a reader ended without an answer".into() }.into()
}
