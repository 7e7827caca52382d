//! The thread that writes.
//!
//! ```text
//!  turn ──group──▶ jobs ─ roll ─ room ─ write ─ sync ──▶ land: readers, answers
//!   ▲                │               │ full   │ failed
//!   │                ▼               ▼        ▼
//!   │          notes for the block   refused  rescue: all that is not durable into a new file,
//!   │                                         or stand still for good
//!   └── between groups: sync what was only written, remove what retention says
//! ```
//!
//! A large group, and one that readers may see before, is synced by another thread, while the next one
//! is written (`flight.rs`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use tokio::time::Instant;

use super::active::Active;
use super::block::{Block, NOTES, Slice};
use super::files::is_full;
use super::flight::Flying;
use super::group::{Group, Grown};
use super::intake::Turn;
use super::leaving::Leaving;
use super::note::Note;
use super::shared::Shared;
use super::syncer;
use crate::log::{AppendError, Broken, CursorError, Durability, Full, Partition};

/// How far a partition may run ahead of what is durable before that is written down.
const CEILING_STEP: u64 = 1 << 20;
/// How often retention by age looks when nothing else happens.
const AGE_TICK: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) active: Option<Active>,
    /// The number of the next file, and the file before it with its end.
    pub(super) next_number: u64,
    pub(super) previous: Option<(u64, u64)>,
    /// Since when something is written and not durable.
    pub(super) undurable_since: Option<Instant>,
    /// Written, and nobody was answered yet.
    pub(super) flying: VecDeque<Flying>,
    /// The last group that said how far a partition may run ahead: until it is durable nothing does.
    pub(super) ceiling_group: u64,
    /// The sync under way: the last group that it makes durable, and where that ends.
    pub(super) syncing: Option<(u64, u64)>,
    /// Cursors whose standing found no room yet.
    pub(super) late: super::jobs::Late,
    /// Cursors moved or files ended: some may be wanted no more.
    pub(super) may_be_settled: bool,
    /// Readers should look again: what they read lies in another file.
    pub(super) is_rescued: bool,
    pub(super) leaving: Leaving,
    pub(super) failed: Option<Broken>,
}

/// Why a group did not become part of the log.
pub(super) enum Refusal {
    Full(Full),
    Broken(Broken),
}

/// A group in the file.
pub(super) struct Written {
    slices: Vec<Grown>,
    /// Where its block ends.
    end: u64,
    /// It counts when it is durable, and somebody has to see to that.
    must_sync: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, next_number: u64, previous: Option<(u64, u64)>) -> Self {
        let late = super::jobs::Late::default();
        Self {
            shared,
            active: None,
            next_number,
            previous,
            undurable_since: None,
            flying: VecDeque::new(),
            ceiling_group: 0,
            syncing: None,
            late,
            may_be_settled: true,
            is_rescued: false,
            leaving: Leaving::default(),
            failed: None,
        }
    }

    /// Runs until the intake is closed and empty.
    pub(super) fn run(mut self) {
        let _ending = syncer::Ending(self.shared.clone());
        loop {
            match self.shared.intake.turn(self.patience(), self.least_bytes()) {
                Turn::Group(group) => self.group(group),
                Turn::Tick => {}
                Turn::Closed => break,
            }
            self.collect();
            if self.failed.is_none() {
                self.go_on();
                self.chores();
            }
        }
        if self.failed.is_none() {
            self.part();
        }
        self.shared.wake_all();
    }

    fn patience(&self) -> Option<Duration> {
        let age = self.shared.options.limits.age_max.map(|_| AGE_TICK);
        if self.syncing.is_some() {
            // Its end is what comes next.
            return age;
        }
        let options = &self.shared.options;
        let undurable = self
            .undurable_since
            .map(|since| options.sync_after.saturating_sub(since.elapsed()).max(Duration::from_millis(1)));
        [age, undurable, self.lingers_for()].into_iter().flatten().min()
    }

    pub(super) fn group(&mut self, mut group: Group) {
        if let Some(broken) = self.failed.clone() {
            self.refuse(group, &broken.into());
            return;
        }
        let now = self.shared.options.clock.now().ticks();
        let (time, number) = {
            let ledger = self.shared.ledger();
            (now.max(ledger.time), ledger.group + 1)
        };
        self.may_be_settled |= !group.jobs.is_empty();
        let mut asked = self.carry_out(&mut group);
        match self.put(&mut group, &mut asked.notes, time, number) {
            Ok(written) => {
                self.place(&group, &written.slices, time, number);
                let number = if written.slices.is_empty() { number - 1 } else { number };
                let Written { slices, end, must_sync } = written;
                let sync_at = Instant::now() + self.lingers(&group);
                self.flying.push_back(Flying {
                    number,
                    time,
                    end,
                    must_sync,
                    slices,
                    group,
                    asked,
                    is_shown: false,
                    sync_at,
                });
                self.show_early();
                self.go_on();
            }
            Err(Refusal::Full(full)) => {
                if self.shared.counted.full.fetch_add(1, Relaxed) == 0 {
                    tracing::warn!(reason = %full, "The log has no room, new records are refused.");
                }
                self.late.note(&asked);
                let behind = self.shared.intake.fall_back(&group, &self.shared.ledger());
                asked.answer(&self.shared, Err(&CursorError::Full(full.clone())));
                self.refuse(group, &full.clone().into());
                for mut group in behind {
                    // What its readers have settled counts all the same.
                    let asked = self.carry_out(&mut group);
                    self.late.note(&asked);
                    asked.answer(&self.shared, Err(&CursorError::Full(full.clone())));
                    self.refuse(group, &full.clone().into());
                }
            }
            Err(Refusal::Broken(broken)) => {
                self.give_up(&broken);
                let behind = self.shared.intake.fall_back(&group, &self.shared.ledger());
                asked.answer(&self.shared, Err(&CursorError::Broken(broken.clone())));
                self.refuse(group, &AppendError::Unknown);
                for group in behind {
                    self.refuse(group, &broken.clone().into());
                }
            }
        }
    }

    /// Answers a group that was never written.
    pub(super) fn refuse(&self, group: Group, error: &AppendError) {
        let bytes = group.bytes;
        for waiting in group.waiting {
            if let Some(order) = &waiting.order {
                order.break_off();
            }
            drop(waiting.answer.send(Err(error.clone())));
        }
        group.jobs.into_iter().for_each(|job| job.refuse(error));
        self.shared.intake.give_room(bytes);
    }

    /// Brings the group to the file, and to the disk unless that is left to the other thread.
    fn put(
        &mut self,
        group: &mut Group,
        notes: &mut Vec<u8>,
        time: i64,
        number: u64,
    ) -> Result<Written, Refusal> {
        self.late.encode(&self.shared.ledger(), notes);
        let mut must_sync = group.durability >= Some(Durability::Synced);
        let mut raised = Vec::new();
        if !must_sync || group.has_early() {
            raised = self.raise_ceilings(group, notes);
            must_sync |= !raised.is_empty();
        }
        let written = self.write(group, notes, must_sync, time, number);
        if written.is_ok() && !raised.is_empty() {
            self.ceiling_group = number;
        }
        if written.is_err() {
            // What was not written down is to be written down the next time.
            let mut ledger = self.shared.ledger();
            for partition in raised {
                ledger.apply(Note::Ceiling { partition, to: 0 });
            }
        }
        written
    }

    fn write(
        &mut self,
        group: &mut Group,
        notes: &mut Vec<u8>,
        mut must_sync: bool,
        time: i64,
        number: u64,
    ) -> Result<Written, Refusal> {
        let slices = group.finish(std::mem::take(notes));
        if slices.is_empty() {
            let is_needed = must_sync && self.flying.is_empty();
            if is_needed {
                // What was repeated may be written only.
                self.sync_now()?;
            }
            return Ok(Written { slices, end: 0, must_sync: must_sync && !is_needed });
        }
        let table: Vec<Slice> = slices.iter().map(|growing| growing.slice).collect();
        let len =
            Block::head_len(&table) as u64 + table.iter().map(|slice| u64::from(slice.len)).sum::<u64>();
        self.make_room(len, group.records > 0).map_err(Refusal::Full)?;
        if let Some(broken) = &self.failed {
            return Err(broken.clone().into());
        }
        let is_due =
            |active: &Active| active.has_groups() && active.offset + len > self.shared.options.segment_bytes;
        if self.active.as_ref().is_none_or(is_due) {
            self.roll(time)?;
        }
        let Some(active) = &mut self.active else {
            return Err(Refusal::Broken(Broken { what: "there is no file to write to".into() }));
        };
        let block = active.group_block(number, time, &slices);
        let mut written = active.write(&block, &slices);
        if written.as_ref().is_err_and(is_full) && self.leaving.wait() {
            // The room of a removed file has come back since.
            written = active.write(&block, &slices);
        }
        let written = match written {
            Ok(written) => written,
            Err(error) if is_full(&error) => return Err(Refusal::Full(Full::Disk)),
            Err(error) => return self.rescued(&error, number, slices, time),
        };
        self.shared.catalog.grow(&active.segment, written);
        self.shared.counted.written_bytes.fetch_add(written, Relaxed);
        let end = active.offset + written;
        let undurable = end - active.durable;
        must_sync |= undurable >= self.shared.options.unsynced_bytes_max;
        let may_wait = group.is_early() || group.bytes >= self.shared.options.early_bytes;
        // Beside a sync that is under way it would be durable before what that one brings.
        if must_sync && !may_wait && self.flying.is_empty() && self.syncing.is_none() {
            self.shared.counted.syncs.fetch_add(1, Relaxed);
            if let Err(error) = active.file.sync() {
                return self.rescued(&error, number, slices, time);
            }
            active.keep(block, &slices, written);
            active.is_durable_to(number, end);
            self.is_durable(number);
            (self.undurable_since, must_sync) = (None, false);
        } else {
            active.keep(block, &slices, written);
            if self.undurable_since.is_none() {
                self.undurable_since = Some(Instant::now());
            }
        }
        self.late.clear();
        Ok(Written { slices, end, must_sync })
    }

    /// The group at hand went to a new file, with all that was not durable.
    fn rescued(
        &mut self,
        error: &std::io::Error,
        number: u64,
        slices: Vec<Grown>,
        time: i64,
    ) -> Result<Written, Refusal> {
        self.rescue(error, Some((number, &slices)), time)?;
        let end = self.active.as_ref().map_or(0, |active| active.offset);
        Ok(Written { slices, end, must_sync: false })
    }

    /// Everything up to this group is: what was waiting for that goes on.
    pub(super) fn is_durable(&self, group: u64) {
        self.shared.durable_group.store(group, SeqCst);
        if self.shared.is_tight() {
            self.shared.rewriting.wake();
        }
    }

    /// Readers will see records that a power cut can take: their sequences must not come again.
    fn raise_ceilings(&self, group: &Group, notes: &mut Vec<u8>) -> Vec<Partition> {
        let mut ledger = self.shared.ledger();
        let mut raised = Vec::new();
        for growing in &group.slices {
            let partition = Partition::new(growing.slice.partition);
            if ledger.partitions.get(&partition).is_none_or(|known| known.ceiling < growing.slice.next) {
                let note = Note::Ceiling { partition, to: growing.slice.next.saturating_add(CEILING_STEP) };
                note.encode(notes);
                ledger.apply(note);
                raised.push(partition);
            }
        }
        raised
    }

    /// The group is in the file: what comes next stands behind it.
    fn place(&self, group: &Group, slices: &[Grown], time: i64, number: u64) {
        if slices.is_empty() {
            return;
        }
        let mut ledger = self.shared.ledger();
        slices.iter().filter(|growing| growing.slice.partition != NOTES).for_each(|growing| {
            ledger.extend(&growing.slice, time);
        });
        group.names.iter().for_each(|name| ledger.names.place(*name));
        group.wants.iter().for_each(|(id, (records, bytes))| ledger.want(*id, *records, *bytes));
        (ledger.group, ledger.time) = (number, time);
    }

    /// What was only written becomes durable, and lands.
    pub(super) fn sync_now(&mut self) -> Result<(), Refusal> {
        let outcome = self.try_to_sync_now();
        if let Err(broken) = &outcome {
            self.give_up(broken);
        }
        Ok(outcome?)
    }

    fn try_to_sync_now(&mut self) -> Result<(), Broken> {
        self.await_sync()?;
        // Who has waited for that sync does not wait for the next.
        self.land();
        self.undurable_since = None;
        if let Some(active) = self.active.as_mut().filter(|active| !active.is_durable()) {
            self.shared.counted.syncs.fetch_add(1, Relaxed);
            let outcome = active.sync();
            match outcome {
                Ok(()) => self.is_durable(self.shared.ledger().group),
                Err(error) => {
                    let time = self.shared.ledger().time;
                    self.rescue(&error, None, time)?;
                }
            }
        }
        self.land();
        Ok(())
    }

    fn chores(&mut self) {
        if std::mem::take(&mut self.is_rescued) {
            self.shared.wake_all();
        }
        let is_due = |since: Instant| since.elapsed() >= self.shared.options.sync_after;
        let is_wanted = self.shared.wants_sync.swap(false, SeqCst);
        let is_late = self.syncing.is_none() && self.undurable_since.is_some_and(is_due);
        if is_wanted && self.sync_now().is_err() {
            return;
        }
        if is_late {
            self.begin_sync();
        }
        self.retain();
    }

    /// The last words: nothing was seen that is not durable.
    fn part(&mut self) {
        if self.sync_now().is_err() {
            return;
        }
        let mut notes = Vec::new();
        let (number, time) = {
            let mut ledger = self.shared.ledger();
            let raised: Vec<Partition> = ledger
                .partitions
                .iter()
                .filter(|(_, known)| known.ceiling > known.next)
                .map(|(partition, _)| *partition)
                .collect();
            for partition in raised {
                let note = Note::Ceiling { partition, to: 0 };
                note.encode(&mut notes);
                ledger.apply(note);
            }
            (ledger.group + 1, ledger.time)
        };
        if !notes.is_empty() || !self.late.is_empty() {
            let mut group = Group::default();
            group.want(Durability::Synced);
            let put = self.put(&mut group, &mut notes, time, number);
            if put.is_err() {
                tracing::warn!("The log ends without its last words; some sequences will be left out.");
            }
        }
        // With its index behind, the end of the file is known for one.
        if let Some(active) = self.active.take() {
            let file = active.end(number, time);
            drop(file);
        }
    }
}
