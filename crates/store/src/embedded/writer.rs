//! The thread that writes.
//!
//! ```text
//!  turn ──group──▶ BEGIN ─ judge and apply each ─ trim ─ COMMIT (fsync) ──▶ answers
//!   ▲                 │ statement failed              │ failed
//!   │                 ▼                               ▼
//!   │            ROLLBACK: Full or Damaged      ROLLBACK: Full, or Unknown and Damaged
//!   └──────── between groups: index pieces, checkpoint
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rusqlite::Connection;

use super::apply::{Counter, apply, trim};
use super::checkpoint::Checkpoint;
use super::engine::Shared;
use super::failure::Failure;
use super::index::Builder;
use super::queue::{Order, Turn, Waiting};
use crate::documents::{CommitError, Damaged, Revision};

type Outcome = Result<Revision, CommitError>;

pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    counter: Counter,
    builder: Builder,
    checkpoint: Checkpoint,
    /// Set once, by the failure that ended all writing.
    damaged: Option<Damaged>,
}

/// How a transaction ended.
enum Fate {
    Committed,
    /// Before COMMIT: nothing was changed.
    Failed(Failure),
    /// In COMMIT, and not for lack of room.
    Unknown(Damaged),
}

impl Writer {
    pub(super) fn new(connection: Connection, shared: Arc<Shared>) -> rusqlite::Result<Self> {
        let counter = connection.query_row("SELECT revision, next, change_bytes FROM state", [], |row| {
            let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
            Ok(Counter { revision: number(0)?, next: number(1)?, change_bytes: number(2)? })
        })?;
        let builder = Builder::load(&connection, &shared)?;
        let checkpoint = Checkpoint::new(&shared.options);
        shared.newest.send_replace(Revision::from_number(counter.revision));
        Ok(Self { connection, shared, counter, builder, checkpoint, damaged: None })
    }

    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            match self.shared.queue.turn(self.builder.has_work() && self.damaged.is_none()) {
                Turn::Orders(orders) => orders.into_iter().for_each(|order| self.order(order)),
                Turn::Group(group) => self.group(group),
                Turn::Idle => {}
                Turn::Closed => break,
            }
            if self.damaged.is_none() {
                self.chores();
            }
        }
        if self.damaged.is_none() {
            self.checkpoint.last(&self.connection);
        }
    }

    fn group(&mut self, group: Vec<Waiting>) {
        if let Some(damaged) = self.damaged.clone() {
            for waiting in group {
                drop(waiting.answer.send(Err(damaged.clone().into())));
            }
            return;
        }
        let before = self.counter;
        let mut counter = before;
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(group.len());
        let options = &self.shared.options;
        let fate = transact(&self.connection, |connection| {
            for waiting in &group {
                self.checkpoint.grown(&waiting.commit);
                let outcome = apply(connection, &mut counter, &waiting.commit)?;
                outcomes.push(outcome.map_err(CommitError::from));
            }
            let added = counter.next - before.next;
            let bytes =
                trim(connection, &counter, added, options.change_records_max, options.change_bytes_max)?;
            counter.change_bytes = bytes;
            if counter.next != before.next {
                connection
                    .prepare_cached("UPDATE state SET revision = ?1, next = ?2, change_bytes = ?3")?
                    .execute([counter.revision as i64, counter.next as i64, bytes as i64])?;
            }
            Ok(())
        });
        // The room in the queue is given back only now, when the commits are done.
        match fate {
            Fate::Committed => {
                self.counter = counter;
                self.builder.wake();
                let conflicts = outcomes.iter().filter(|outcome| outcome.is_err()).count();
                let counted = &self.shared.counted;
                counted.groups.fetch_add(1, Relaxed);
                counted.conflicts.fetch_add(conflicts as u64, Relaxed);
                counted.commits.fetch_add((outcomes.len() - conflicts) as u64, Relaxed);
                self.shared.newest.send_replace(Revision::from_number(counter.revision));
                for (waiting, outcome) in group.into_iter().zip(outcomes) {
                    drop(waiting.answer.send(outcome));
                }
            }
            Fate::Failed(failure) => {
                self.note(&failure);
                for waiting in group {
                    drop(waiting.answer.send(Err(failure.clone().into())));
                }
            }
            Fate::Unknown(damaged) => {
                self.note(&Failure::Damaged(damaged));
                for waiting in group {
                    drop(waiting.answer.send(Err(CommitError::Unknown)));
                }
            }
        }
    }

    fn order(&mut self, order: Order) {
        let outcome = match &self.damaged {
            Some(damaged) => Err(damaged.clone().into()),
            None => {
                let mut refused = None;
                let builder = &mut self.builder;
                let fate = transact(&self.connection, |connection| {
                    refused = builder.carry_out(connection, &order.declaration)?;
                    Ok(())
                });
                let reloaded = self.builder.reload(&self.connection, &self.shared);
                match (fate, refused, reloaded) {
                    (Fate::Committed, None, Ok(())) => Ok(()),
                    (Fate::Committed, Some(misuse), Ok(())) => Err(misuse.into()),
                    (Fate::Committed, _, Err(error)) => {
                        let failure = Failure::of(&error);
                        self.note(&failure);
                        Err(failure.into())
                    }
                    (Fate::Failed(failure), ..) => {
                        self.note(&failure);
                        Err(failure.into())
                    }
                    (Fate::Unknown(damaged), ..) => {
                        self.note(&Failure::Damaged(damaged));
                        Err(CommitError::Unknown)
                    }
                }
            }
        };
        drop(order.answer.send(outcome));
    }

    /// Small pieces of work between groups.
    fn chores(&mut self) {
        if self.builder.has_work() {
            let busy = self.shared.queue.somebody_waits();
            let builder = &mut self.builder;
            let mut filled = 0;
            let fate = transact(&self.connection, |connection| {
                filled = builder.piece(connection, busy)?;
                Ok(())
            });
            self.checkpoint.filled(filled);
            let reloaded = self.builder.reload(&self.connection, &self.shared);
            match (fate, reloaded) {
                (Fate::Committed, Ok(())) => {}
                // The piece is done again when there is room.
                (Fate::Failed(Failure::Full), _) => self.builder.rest(),
                (Fate::Failed(failure), _) => self.note(&failure),
                (Fate::Unknown(damaged), _) => self.note(&Failure::Damaged(damaged)),
                (Fate::Committed, Err(error)) => self.note(&Failure::of(&error)),
            }
        }
        if let Err(failure) = self.checkpoint.turn(&self.connection) {
            self.note(&failure);
        }
    }

    fn note(&mut self, failure: &Failure) {
        match failure {
            Failure::Full => {
                if self.shared.counted.full.fetch_add(1, Relaxed) == 0 {
                    tracing::warn!("The disk of the document store is full, commits are refused.");
                }
            }
            Failure::Damaged(damaged) => {
                tracing::error!(error = %damaged, "The document store stops writing.");
                self.damaged = Some(damaged.clone());
            }
        }
    }
}

/// One transaction around `work`, whose error undoes it.
fn transact(connection: &Connection, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Fate {
    let run = |sql| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    let rolled_back = || connection.is_autocommit() || run("ROLLBACK").is_ok();
    if let Err(error) = run("BEGIN IMMEDIATE").map(drop).and_then(|()| work(connection)) {
        let failure = Failure::of(&error);
        return match rolled_back() {
            true => Fate::Failed(failure),
            false => Fate::Failed(Failure::Damaged(super::failure::damaged(&error))),
        };
    }
    match run("COMMIT") {
        Ok(_) => Fate::Committed,
        Err(error) => match (Failure::of(&error), rolled_back()) {
            // The mark that ends a transaction in the log is written last, so what found no room
            // did not happen.
            (Failure::Full, true) => Fate::Failed(Failure::Full),
            _ => Fate::Unknown(super::failure::damaged(&error)),
        },
    }
}
