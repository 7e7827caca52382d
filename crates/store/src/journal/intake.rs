//! Where callers put their records: groups in the making, with a bound in bytes.
//!
//! ```text
//!  append ──stage──▶ [group][group][group in the making] ──turn──▶ writer ──▶ disk
//!     └─ no room: one behind the other, until there is or time is up (Busy)
//! ```
//!
//! Sequences are given here, as if every group before succeeded. When one fails, all that was
//! staged behind it fails with it, and counting starts again at what is committed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::group::{Group, Job, Waiting};
use super::ledger::Ledger;
use super::prepared::Prepared;
use super::staged::{Slot, Staged};
use super::{JournalOptions, envelope};
use crate::log::{
    AppendError, Batch, Broken, Busy, Cursor, CursorId, CursorKind, Draft, Durability, Limits, Misuse, Names,
    NoSuchCursor, Partition, Sequence, TooLarge, Winner,
};

pub(super) struct Intake {
    inner: Mutex<Inner>,
    /// For the writer: a group is there, or it is over.
    arrived: Condvar,
    limits: Limits,
    group_bytes_max: usize,
}

struct Inner {
    groups: VecDeque<Group>,
    queued_bytes: usize,
    /// Callers who wait for room, in the order of their calls: nobody overtakes them.
    line: VecDeque<(u64, Arc<Notify>)>,
    tickets: u64,
    turned_away: u64,
    next: BTreeMap<Partition, u64>,
    names: Names,
    cursors: HashMap<CursorId, (Partition, CursorKind)>,
    broken: Option<Broken>,
    closed: bool,
    /// The writer is to have a look around.
    poked: bool,
    /// The writer waits and must be woken: a call to the system that is spared otherwise.
    idle: bool,
    /// It waits for so many bytes.
    least_bytes: usize,
}

pub(super) enum Turn {
    Group(Group),
    /// The time is up.
    Tick,
    /// Nobody waits and nobody will.
    Closed,
}

impl Intake {
    pub(super) fn new(options: &JournalOptions, ledger: &Ledger) -> Self {
        let inner = Inner {
            groups: VecDeque::new(),
            queued_bytes: 0,
            line: VecDeque::new(),
            tickets: 0,
            turned_away: 0,
            next: ledger.partitions.iter().map(|(partition, known)| (*partition, known.next)).collect(),
            names: ledger.names.clone(),
            cursors: ledger
                .cursors
                .iter()
                .map(|(id, cursor)| (*id, (cursor.partition, cursor.kind)))
                .collect(),
            broken: None,
            closed: false,
            idle: false,
            least_bytes: 0,
            poked: false,
        };
        Self {
            inner: Mutex::new(inner),
            arrived: Condvar::new(),
            limits: options.limits.clone(),
            group_bytes_max: options.group_bytes_max,
        }
    }

    /// Stages the batch if there is room, else takes a place in the line: the order of batches is
    /// that of the calls.
    pub(super) fn append(&self, batch: Batch) -> Appending<'_> {
        let weight = batch.drafts.iter().map(envelope::len_max).sum();
        if let Err(error) = self.check(&batch) {
            return Appending::Done(self.refused(&batch, &error));
        }
        let prepared = Prepared::of(&batch, weight);
        match self.attempt(None, weight, |inner| self.stage(inner, &batch, weight, prepared)) {
            Some(Ok(staged)) => Appending::Done(staged),
            Some(Err(error)) => Appending::Done(self.refused(&batch, &error)),
            None => Appending::Waiting { place: self.join(), batch, weight },
        }
    }

    /// Waits for room for what found none.
    pub(super) async fn finish(&self, appending: Appending<'_>) -> Staged {
        match appending {
            Appending::Done(staged) => staged,
            Appending::Waiting { place, batch, weight } => {
                let patience = Some(self.limits.wait_max).filter(|_| !batch.is_patient);
                // What waits is not held twice.
                let staging = |inner: &mut Inner| self.stage(inner, &batch, weight, None);
                let entered = self.wait(&place, weight, patience, staging).await;
                entered.unwrap_or_else(|error| self.refused(&batch, &error))
            }
        }
    }

    fn refused(&self, batch: &Batch, error: &AppendError) -> Staged {
        if let Some(order) = &batch.order {
            order.break_off();
        }
        Staged::failed(batch.drafts.len(), error)
    }

    /// Queues a job behind everything that was staged before it.
    pub(super) async fn ask(
        &self,
        job: Job,
        weight: usize,
        durability: Durability,
    ) -> Result<(), AppendError> {
        let mut job = Some(job);
        let mut work = |inner: &mut Inner| {
            let group = self.group(&mut inner.groups, weight);
            group.bytes += weight;
            if let Some(job) = job.take() {
                group.carry(job, durability);
            }
        };
        match self.attempt(None, weight, &mut work) {
            Some(done) => done,
            None => self.wait(&self.join(), weight, Some(self.limits.wait_max), work).await,
        }
    }

    /// Does `work` if it is the caller's turn and there are `weight` bytes of room.
    fn attempt<T>(
        &self,
        ticket: Option<u64>,
        weight: usize,
        work: impl FnOnce(&mut Inner) -> T,
    ) -> Option<Result<T, AppendError>> {
        let mut inner = self.lock();
        if let Some(broken) = &inner.broken {
            return Some(Err(broken.clone().into()));
        }
        if inner.closed {
            return Some(Err(AppendError::Closed));
        }
        let is_turn = inner.line.front().map(|(first, _)| *first) == ticket;
        // Whatever is heavier than everything goes alone.
        let fits = inner.queued_bytes == 0 || inner.queued_bytes + weight <= self.limits.queued_bytes_max;
        if !is_turn || !fits {
            return None;
        }
        inner.queued_bytes += weight;
        let done = work(&mut inner);
        let wake = inner.idle && inner.has_turn();
        inner.idle &= !wake;
        drop(inner);
        if wake {
            self.arrived.notify_one();
        }
        Some(Ok(done))
    }

    fn join(&self) -> Place<'_> {
        let mut inner = self.lock();
        inner.tickets += 1;
        let (ticket, called) = (inner.tickets, Arc::new(Notify::new()));
        inner.line.push_back((ticket, called.clone()));
        Place { intake: self, ticket, called }
    }

    async fn wait<T>(
        &self,
        place: &Place<'_>,
        weight: usize,
        patience: Option<Duration>,
        work: impl FnOnce(&mut Inner) -> T,
    ) -> Result<T, AppendError> {
        let mut work = Some(work);
        let waiting = async {
            loop {
                let called = place.called.notified();
                let done =
                    self.attempt(Some(place.ticket), weight, |inner| work.take().map(|work| work(inner)));
                match done {
                    Some(Ok(Some(done))) => return Ok(done),
                    Some(Err(error)) => return Err(error),
                    Some(Ok(None)) | None => called.await,
                }
            }
        };
        let Some(patience) = patience else { return waiting.await };
        tokio::time::timeout(patience, waiting).await.unwrap_or_else(|_| {
            let mut inner = self.lock();
            inner.turned_away += 1;
            Err(Busy { queued_bytes: inner.queued_bytes as u64 }.into())
        })
    }

    fn group<'a>(&self, groups: &'a mut VecDeque<Group>, weight: usize) -> &'a mut Group {
        if groups.back().is_none_or(|group| group.is_full_for(weight, self.group_bytes_max)) {
            groups.push_back(Group::default());
        }
        groups.back_mut().expect("one was pushed if there was none")
    }

    /// The bounds of a whole batch.
    fn check(&self, batch: &Batch) -> Result<(), AppendError> {
        let too_large = |what, size: usize, size_max: usize| match size > size_max {
            true => Err(TooLarge { what, size: size as u64, size_max: size_max as u64 }),
            false => Ok(()),
        };
        let bytes = batch.drafts.iter().map(|draft| draft.headers.len() + draft.payload.len()).sum();
        too_large("a batch (records)", batch.drafts.len(), self.limits.batch_records_max)?;
        Ok(too_large("a batch (bytes)", bytes, self.limits.batch_bytes_max)?)
    }

    fn stage(&self, inner: &mut Inner, batch: &Batch, weight: usize, prepared: Option<Prepared>) -> Staged {
        let Inner { groups, next, names, cursors, .. } = inner;
        let group = self.group(groups, weight);
        group.bytes += weight;
        let (mut slots, mut repeated) = (Vec::with_capacity(batch.drafts.len()), 0);
        let (mut placed, mut accepted) = (0, None);
        for draft in &batch.drafts {
            let verdict = match &batch.order {
                Some(order) if order.is_broken() => Err(AppendError::AfterFailure),
                _ => self.judge(draft, accepted, names, cursors),
            };
            accepted = if verdict.is_ok() { Some(draft) } else { accepted };
            match verdict {
                Ok(false) => {
                    let next = next.entry(draft.partition).or_default();
                    draft.name.into_iter().for_each(|name| names.place(name));
                    slots.push(Slot::At(*next));
                    (*next, placed) = (*next + 1, placed + 1);
                }
                Ok(true) => {
                    repeated += 1;
                    slots.push(Slot::Already);
                }
                Err(error) => {
                    if let Some(order) = &batch.order {
                        order.break_off();
                    }
                    slots.push(Slot::Failed(error));
                }
            }
        }
        match prepared {
            Some(prepared) if placed == batch.drafts.len() => prepared.go_into(group, next),
            _ => {
                for (draft, slot) in batch.drafts.iter().zip(&slots) {
                    if let Slot::At(sequence) = slot {
                        group.push(draft, *sequence);
                    }
                }
            }
        }
        group.repetitions += repeated;
        let early = batch.early.as_ref().map(|early| (early.clone(), placed_at(&slots)));
        // Even one that adds nothing waits for the group: what it repeats may be in it.
        let (answer, fate) = oneshot::channel();
        group.wait(Waiting { answer, order: batch.order.clone(), early }, batch.durability);
        Staged { slots, fate: Some(fate) }
    }

    /// `Ok(true)` when the record is there already. `accepted` is one before it in its batch.
    fn judge(
        &self,
        draft: &Draft,
        accepted: Option<&Draft>,
        names: &Names,
        cursors: &HashMap<CursorId, (Partition, CursorKind)>,
    ) -> Result<bool, AppendError> {
        let limits = &self.limits;
        let size = draft.headers.len() + draft.payload.len();
        let too_large = |what, size: usize, size_max: usize| {
            AppendError::from(TooLarge { what, size: size as u64, size_max: size_max as u64 })
        };
        if size > limits.record_bytes_max {
            return Err(too_large("a record (bytes)", size, limits.record_bytes_max));
        }
        if draft.partition.number() >= limits.partitions_max {
            let what = format!("there is no partition {}", draft.partition.number());
            return Err(Misuse { what }.into());
        }
        // The same cursors once more have been looked at.
        let is_alike = |other: &Draft| {
            Arc::ptr_eq(&other.wanted_by, &draft.wanted_by) && other.partition == draft.partition
        };
        if !accepted.is_some_and(is_alike) {
            self.judge_cursors(draft, cursors)?;
        }
        match draft.name {
            Some(name) => names.look_up(name).verdict(name),
            None => Ok(false),
        }
    }

    fn judge_cursors(
        &self,
        draft: &Draft,
        cursors: &HashMap<CursorId, (Partition, CursorKind)>,
    ) -> Result<(), AppendError> {
        let (count, count_max) = (draft.wanted_by.len(), self.limits.wanted_by_max);
        if count > count_max {
            let (size, size_max) = (count as u64, count_max as u64);
            return Err(TooLarge { what: "the cursors of a record", size, size_max }.into());
        }
        if count > 0 && self.limits.winner != Winner::Cursors {
            return Err(Misuse { what: "records are wanted by cursors only where cursors win".into() }.into());
        }
        for id in draft.wanted_by.iter() {
            match cursors.get(id) {
                None => return Err(NoSuchCursor { id: *id }.into()),
                Some(known) if *known == (draft.partition, CursorKind::Wanted) => {}
                Some(_) => {
                    let what = format!("cursor {} does not choose records of this partition", id.number());
                    return Err(Misuse { what }.into());
                }
            }
        }
        Ok(())
    }

    /// The next group of at least so many bytes, or whose time has come because another one waits
    /// behind it; or a tick after `patience`.
    pub(super) fn turn(&self, patience: Option<Duration>, least_bytes: usize) -> Turn {
        let mut inner = self.lock();
        inner.least_bytes = least_bytes;
        loop {
            if (inner.has_turn() || inner.closed)
                && let Some(group) = inner.groups.pop_front()
            {
                return Turn::Group(group);
            }
            if inner.closed {
                return Turn::Closed;
            }
            if std::mem::take(&mut inner.poked) {
                return Turn::Tick;
            }
            inner.idle = true;
            inner = match patience {
                None => self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.arrived.wait_timeout(inner, patience);
                    let (inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && !inner.has_turn() && !inner.closed {
                        return Turn::Tick;
                    }
                    inner
                }
            };
        }
    }

    /// The next group, however small, if there is one.
    pub(super) fn take(&self) -> Option<Group> {
        self.lock().groups.pop_front()
    }

    /// Has the writer look around.
    pub(super) fn poke(&self) {
        self.lock().poked = true;
        self.arrived.notify_one();
    }

    /// A group is done with: its bytes make room.
    pub(super) fn give_room(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.queued_bytes -= bytes.min(inner.queued_bytes);
        inner.call_first();
    }

    /// The group failed. So does everything behind it, in the same step, so that nothing overtakes;
    /// returned for the answers. Counting starts again from `ledger`.
    pub(super) fn fall_back(&self, failed: &Group, ledger: &Ledger) -> Vec<Group> {
        let mut inner = self.lock();
        let behind: Vec<Group> = inner.groups.drain(..).collect();
        for group in std::iter::once(failed).chain(&behind) {
            group.names.iter().for_each(|name| inner.names.take_back(*name));
            group
                .waiting
                .iter()
                .filter_map(|waiting| waiting.order.as_ref())
                .for_each(crate::log::Order::break_off);
        }
        inner.next = ledger.partitions.iter().map(|(partition, known)| (*partition, known.next)).collect();
        behind
    }

    pub(super) fn know(&self, cursor: &Cursor) {
        self.lock().cursors.insert(cursor.id, (cursor.partition, cursor.kind));
    }

    pub(super) fn forget(&self, cursor: CursorId) {
        self.lock().cursors.remove(&cursor);
    }

    /// Nothing can be written any more.
    pub(super) fn break_off(&self, broken: &Broken) {
        let mut inner = self.lock();
        inner.broken = Some(broken.clone());
        inner.call_all();
    }

    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.call_all();
        self.arrived.notify_all();
    }

    /// Bytes that wait or are being written, and how many callers were turned away.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.queued_bytes as u64, inner.turned_away)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether there is a group for the writer.
    fn has_turn(&self) -> bool {
        let is_due =
            |group: &Group| group.bytes >= self.least_bytes || self.groups.len() > 1 || group.is_urgent();
        self.groups.front().is_some_and(is_due)
    }

    fn call_first(&self) {
        if let Some((_, called)) = self.line.front() {
            called.notify_one();
        }
    }

    fn call_all(&self) {
        self.line.iter().for_each(|(_, called)| called.notify_one());
    }
}

fn placed_at(slots: &[Slot]) -> Vec<Sequence> {
    let at = |slot: &Slot| match slot {
        Slot::At(sequence) => Some(Sequence::from_number(*sequence)),
        Slot::Already | Slot::Failed(_) => None,
    };
    slots.iter().filter_map(at).collect()
}

/// A batch that is staged, or waits for room in its place.
pub(super) enum Appending<'a> {
    Done(Staged),
    Waiting { place: Place<'a>, batch: Batch, weight: usize },
}

/// A place in the line, given up when dropped.
pub(super) struct Place<'a> {
    intake: &'a Intake,
    ticket: u64,
    called: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.intake.lock();
        inner.line.retain(|(ticket, _)| *ticket != self.ticket);
        // Who is first now may find room already.
        inner.call_first();
    }
}
