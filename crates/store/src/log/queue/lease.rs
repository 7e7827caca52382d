//! The queue itself, used by one task.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use super::ledger::Ledger;
use super::reader::Reader;
use super::saving::{Saved, Saving};
use super::{LeaseError, Leased, QueueOptions};
use crate::log::{CursorError, CursorId, CursorKind, From, Log, Lost, Reading, Sequence, Start};

pub struct Queue {
    log: Arc<dyn Log>,
    options: QueueOptions,
    cursor: CursorId,
    ledger: Ledger,
    ahead: Reader,
    /// Reads again what was given back.
    again: Reader,
    /// Settled before the queue was opened, and not yet passed.
    settled: BTreeSet<Sequence>,
    /// The log keeps no more settled records beyond this position, while it stays there.
    stuck_at: Option<Sequence>,
    /// [`Queue::pass`] stands before a record.
    has_stopped: bool,
    lost: u64,
}

impl Queue {
    /// Opens the cursor of this name, and makes it where there is none.
    pub async fn open(
        log: Arc<dyn Log>,
        name: &str,
        start: Start,
        options: QueueOptions,
    ) -> Result<Self, CursorError> {
        let cursor = log.cursor(name, start).await?;
        let reading = Reading {
            wanted_by: (cursor.kind == CursorKind::Wanted).then_some(cursor.id),
            ..Reading::new(cursor.partition, From::Oldest)
                .at_most(options.prefetch_records, options.prefetch_bytes)
        };
        let reader = || Reader::new(log.clone(), reading, cursor.below);
        Ok(Self {
            ahead: reader(),
            again: reader(),
            options,
            cursor: cursor.id,
            ledger: Ledger::new(cursor.below),
            settled: cursor.settled.into_iter().collect(),
            stuck_at: None,
            has_stopped: false,
            lost: 0,
            log,
        })
    }

    pub fn cursor(&self) -> CursorId {
        self.cursor
    }

    pub fn in_flight(&self) -> usize {
        self.ledger.in_flight()
    }

    /// Whether there is something to be leased again.
    pub fn has_given_back(&self) -> bool {
        self.ledger.first_given_back().is_some()
    }

    /// Everything before it is settled.
    pub fn below(&self) -> Sequence {
        self.ledger.below(self.ahead.position())
    }

    /// Sequences that the log told as lost, since the queue was opened: at most so many records.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The next record: what was given back, from the oldest on, then what is new, in order.
    ///
    /// With as much in flight as is allowed, or more settled behind an open record than the log
    /// keeps, it waits for ever: only this task can settle, so it gives up the wait when it has
    /// something to settle. That loses nothing.
    pub async fn lease(&mut self) -> Result<Leased, LeaseError> {
        self.has_stopped = false;
        loop {
            if self.in_flight() >= self.options.in_flight_max.max(1) {
                pending::<()>().await;
            }
            if let Some(sequence) = self.ledger.first_given_back() {
                if let Some(record) = self.again.find(sequence).await.map_err(LeaseError::Read)? {
                    let leased_before = self.ledger.lend(&record);
                    return Ok(Leased { record, leased_before });
                }
                self.ledger.lose(sequence);
                self.lost += 1;
                continue;
            }
            self.again.rest();
            self.make_room_to_settle().await?;
            if self.stuck_at.is_some_and(|at| self.below() <= at) {
                pending::<()>().await;
            }
            if let Some(record) = self.ahead.pop() {
                if !self.settled.remove(&record.sequence) {
                    let leased_before = self.ledger.lend(&record);
                    return Ok(Leased { record, leased_before });
                }
                continue;
            }
            self.read_on().await?;
        }
    }

    /// While nobody leases: passes what the queue does not want, so that [`Queue::save`] lets the
    /// log give back its room. Comes back only when that fails; giving up the wait loses nothing.
    pub async fn pass(&mut self) -> LeaseError {
        loop {
            if self.has_stopped || self.ledger.first_given_back().is_some() || self.ahead.has_page() {
                pending::<()>().await;
            }
            if let Err(error) = self.read_on().await {
                return error;
            }
            // Nobody may lease for long: what was read is not held until then.
            self.has_stopped = self.ahead.has_page();
            self.ahead.step_back();
        }
    }

    async fn read_on(&mut self) -> Result<(), LeaseError> {
        let lost = self.ahead.fill().await.map_err(LeaseError::Read)?;
        self.lost += lost.iter().map(|Lost { from, to, .. }| to.number() - from.number()).sum::<u64>();
        // Those that the log did not show again have no use any more.
        self.settled = self.settled.split_off(&self.ahead.position());
        Ok(())
    }

    /// The record is done with. `false` when it is not in flight.
    pub fn settle(&mut self, sequence: Sequence) -> bool {
        let settled = self.ledger.settle(sequence);
        let below = self.below();
        self.ledger.settle_below(below);
        settled
    }

    /// The record is to be leased again. `false` when it is not in flight.
    pub fn give_back(&mut self, sequence: Sequence) -> bool {
        self.ledger.give_back(sequence)
    }

    /// Tells the log what was settled since it was told. With [`CursorError::TooFarAhead`] the
    /// position is saved, the rest waits, and nothing new is leased until the oldest is settled.
    /// With [`CursorError::Full`] it is told, and written when there is room.
    ///
    /// Who gives up this wait may find records delivered again after a restart.
    pub async fn save(&mut self) -> Result<(), CursorError> {
        let Some(saving) = self.begin_save() else { return Ok(()) };
        let saved = saving.await;
        let outcome = self.end_save(saved);
        if let Err(CursorError::TooFarAhead { .. }) = outcome {
            self.save_position().await?;
        }
        outcome
    }

    /// The same for who does not wait for the log meanwhile: [`Queue::end_save`] has to hear of it. `None` when
    /// there is nothing to tell.
    pub fn begin_save(&mut self) -> Option<Saving> {
        let below = self.below();
        self.tell(below, self.stuck_at != Some(below))
    }

    /// What became of [`Queue::begin_save`]. After [`CursorError::TooFarAhead`] the next one saves the position.
    pub fn end_save(&mut self, saved: Saved) -> Result<(), CursorError> {
        let Saved { below, told, outcome } = saved;
        if !matches!(outcome, Ok(()) | Err(CursorError::Full(_))) {
            self.ledger.put_back(told);
        }
        if let Err(CursorError::TooFarAhead { .. }) = outcome {
            self.stuck_at = Some(below);
        }
        outcome
    }

    async fn save_position(&mut self) -> Result<(), CursorError> {
        let Some(saving) = self.tell(self.below(), false) else { return Ok(()) };
        let saved = saving.await;
        self.end_save(saved)
    }

    fn tell(&mut self, below: Sequence, beyond: bool) -> Option<Saving> {
        let (progress, told) = self.ledger.tell(below, beyond, self.options.durability)?;
        let (log, cursor) = (self.log.clone(), self.cursor);
        let call = Box::pin(async move { log.advance(cursor, progress).await });
        Some(Saving { told: Some((below, told)), call })
    }

    /// What is settled behind an open record is kept one by one, so it is told before it is much.
    async fn make_room_to_settle(&mut self) -> Result<(), LeaseError> {
        let stuck = self.stuck_at.is_some_and(|at| self.below() <= at);
        if self.ledger.unsaved() < self.options.unsaved_max.max(1) || stuck {
            return Ok(());
        }
        match self.save().await {
            Ok(()) | Err(CursorError::TooFarAhead { .. } | CursorError::Full(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
