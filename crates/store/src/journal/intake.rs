//! Where callers put their records: groups in the making, with a bound in bytes.
//!
//! ```text
//!  append ──stage──▶ [group][group][group in the making] ──turn──▶ writer ──▶ disk
//!     └─ no room: one behind the other, until there is or time is up (Busy)
//! ```
//!
//! Sequences are given here, as if every group before succeeded. When one fails, all that was
//! staged behind it fails with it, and counting starts again at what is committed.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::group::{Group, Job, Waiting};
use super::ledger::Ledger;
use super::staged::{Slot, Staged};
use super::{JournalOptions, envelope};
use crate::log::{
    AppendError, Batch, Broken, Busy, CursorId, Durability, Limits, Misuse, Names, NoSuchCursor, Partition,
    TooLarge, Winner,
};

pub(super) struct Intake {
    inner: Mutex<Inner>,
    /// For the writer: a group is there, or it is over.
    arrived: Condvar,
    /// For callers: there may be room.
    room: Notify,
    /// Who waits for room stands in line here.
    line: tokio::sync::Mutex<()>,
    limits: Limits,
    group_bytes_max: usize,
}

struct Inner {
    groups: VecDeque<Group>,
    queued_bytes: usize,
    /// Callers in the line: nobody overtakes them.
    in_line: usize,
    turned_away: u64,
    next: BTreeMap<Partition, u64>,
    names: Names,
    cursors: HashSet<CursorId>,
    broken: Option<Broken>,
    closed: bool,
    /// The writer waits and must be woken: a call to the system that is spared otherwise.
    idle: bool,
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
            in_line: 0,
            turned_away: 0,
            next: ledger.partitions.iter().map(|(partition, known)| (*partition, known.next)).collect(),
            names: ledger.names.clone(),
            cursors: ledger.cursors.keys().copied().collect(),
            broken: None,
            closed: false,
            idle: false,
        };
        Self {
            inner: Mutex::new(inner),
            arrived: Condvar::new(),
            room: Notify::new(),
            line: tokio::sync::Mutex::new(()),
            limits: options.limits.clone(),
            group_bytes_max: options.group_bytes_max,
        }
    }

    /// Stages the batch when there is room, or waits for some.
    pub(super) async fn append(&self, batch: &Batch) -> Staged {
        let weight: usize = batch.drafts.iter().map(envelope::len_max).sum();
        if let Err(error) = self.check(batch) {
            if let Some(order) = &batch.order {
                order.break_off();
            }
            return Staged::failed(batch.drafts.len(), &error);
        }
        let staged = self.enter(weight, |inner| self.stage(inner, batch, weight)).await;
        staged.unwrap_or_else(|refused| {
            if let Some(order) = &batch.order {
                order.break_off();
            }
            Staged::failed(batch.drafts.len(), &refused)
        })
    }

    /// Queues a job behind everything that was staged before it.
    pub(super) async fn ask(
        &self,
        job: Job,
        weight: usize,
        durability: Durability,
    ) -> Result<(), AppendError> {
        let mut job = Some(job);
        self.enter(weight, |inner| {
            let group = self.group(&mut inner.groups, weight);
            group.bytes += weight;
            group.want(durability);
            group.jobs.extend(job.take());
        })
        .await
    }

    /// Does `work` with `weight` bytes of room, in the order of arrival.
    async fn enter<T>(&self, weight: usize, mut work: impl FnMut(&mut Inner) -> T) -> Result<T, AppendError> {
        let mut attempt = |is_first_in_line: bool| {
            let mut inner = self.lock();
            if let Some(broken) = &inner.broken {
                return Some(Err(broken.clone().into()));
            }
            if inner.closed {
                return Some(Err(AppendError::Closed));
            }
            let is_turn = is_first_in_line || inner.in_line == 0;
            // Whatever is heavier than everything goes alone.
            let fits = inner.queued_bytes == 0 || inner.queued_bytes + weight <= self.limits.queued_bytes_max;
            if !is_turn || !fits {
                return None;
            }
            inner.queued_bytes += weight;
            let done = work(&mut inner);
            let wake = std::mem::take(&mut inner.idle);
            drop(inner);
            if wake {
                self.arrived.notify_one();
            }
            Some(Ok(done))
        };
        if let Some(done) = attempt(false) {
            return done;
        }
        let in_line = InLine::join(self);
        let waited = tokio::time::timeout(self.limits.wait_max, async {
            let _place = self.line.lock().await;
            loop {
                let room = self.room.notified();
                tokio::pin!(room);
                room.as_mut().enable();
                if let Some(done) = attempt(true) {
                    return done;
                }
                room.await;
            }
        });
        let waited = waited.await;
        drop(in_line);
        waited.unwrap_or_else(|_| {
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

    fn stage(&self, inner: &mut Inner, batch: &Batch, weight: usize) -> Staged {
        let Inner { groups, next, names, cursors, .. } = inner;
        let group = self.group(groups, weight);
        group.bytes += weight;
        let (mut slots, mut repeated) = (Vec::with_capacity(batch.drafts.len()), 0);
        for draft in &batch.drafts {
            let verdict = match &batch.order {
                Some(order) if order.is_broken() => Err(AppendError::AfterFailure),
                _ => self.judge(draft, names, cursors),
            };
            match verdict {
                Ok(false) => {
                    let next = next.entry(draft.partition).or_default();
                    group.push(draft, *next);
                    draft.name.into_iter().for_each(|name| names.place(name));
                    slots.push(Slot::At(*next));
                    *next += 1;
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
        group.repetitions += repeated;
        group.want(batch.durability);
        // Even one that adds nothing waits for the group: what it repeats may be in it.
        let (answer, fate) = oneshot::channel();
        group.waiting.push(Waiting { answer, order: batch.order.clone() });
        Staged { slots, fate: Some(fate) }
    }

    /// `Ok(true)` when the record is there already.
    fn judge(
        &self,
        draft: &crate::log::Draft,
        names: &Names,
        cursors: &HashSet<CursorId>,
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
        if draft.wanted_by.len() > limits.wanted_by_max {
            return Err(too_large("the cursors of a record", draft.wanted_by.len(), limits.wanted_by_max));
        }
        if !draft.wanted_by.is_empty() && limits.winner != Winner::Cursors {
            return Err(Misuse { what: "records are wanted by cursors only where cursors win".into() }.into());
        }
        if let Some(id) = draft.wanted_by.iter().find(|id| !cursors.contains(id)) {
            return Err(NoSuchCursor { id: *id }.into());
        }
        match draft.name {
            Some(name) => names.look_up(name).verdict(name),
            None => Ok(false),
        }
    }

    /// The next group, or a tick after `patience`.
    pub(super) fn turn(&self, patience: Option<Duration>) -> Turn {
        let mut inner = self.lock();
        loop {
            if let Some(group) = inner.groups.pop_front() {
                return Turn::Group(group);
            }
            if inner.closed {
                return Turn::Closed;
            }
            inner.idle = true;
            inner = match patience {
                None => self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.arrived.wait_timeout(inner, patience);
                    let (inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && inner.groups.is_empty() && !inner.closed {
                        return Turn::Tick;
                    }
                    inner
                }
            };
        }
    }

    /// A group is done with: its bytes make room.
    pub(super) fn give_room(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.queued_bytes -= bytes.min(inner.queued_bytes);
        drop(inner);
        self.room.notify_waiters();
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

    pub(super) fn know(&self, cursor: CursorId) {
        self.lock().cursors.insert(cursor);
    }

    pub(super) fn forget(&self, cursor: CursorId) {
        self.lock().cursors.remove(&cursor);
    }

    /// Nothing can be written any more.
    pub(super) fn break_off(&self, broken: &Broken) {
        self.lock().broken = Some(broken.clone());
        self.room.notify_waiters();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
        self.room.notify_waiters();
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

/// A place in the line, given up when dropped.
struct InLine<'a>(&'a Intake);

impl<'a> InLine<'a> {
    fn join(intake: &'a Intake) -> Self {
        intake.lock().in_line += 1;
        Self(intake)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.lock().in_line -= 1;
    }
}
