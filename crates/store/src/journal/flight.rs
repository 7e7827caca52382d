//! Groups that are in the file and not durable yet, while the disk is busy with those before them.
//!
//! ```text
//!  writer   write 5 ─ write 6 ── write 7 ───┬─ answer 5 ─ write 8 ───┬─ answer 6, 7
//!  syncer            └──── sync 5 ──────────┴──────── sync 6, 7 ─────┴─ sync 8 ⋯
//! ```
//!
//! They land in their order: then readers see them and callers are answered. A group that promises
//! nothing lands with those before it. What is in the air counts as queued: the intake bounds it.
//!
//! Readers see a group whose callers all asked for that as soon as it is in the file, provided that
//! the partition's ceiling is durable. If its callers have heard enough before its sync begins, it
//! needs none of its own.

use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use skerry_model::Timestamp;
use tokio::time::Instant;

use super::block::NOTES;
use super::group::{Group, Grown};
use super::jobs::Asked;
use super::writer::{Refusal, Writer};
use crate::log::{AppendError, Broken, CursorError, Partition};

pub(super) struct Flying {
    /// The last group that it needs: its own, or the one before it when it brings nothing.
    pub(super) number: u64,
    pub(super) time: i64,
    /// Where its block ends.
    pub(super) end: u64,
    pub(super) must_sync: bool,
    pub(super) slices: Vec<Grown>,
    pub(super) group: Group,
    pub(super) asked: Asked,
    /// Readers see it.
    pub(super) is_shown: bool,
    /// Then somebody has waited for long enough.
    pub(super) sync_at: Instant,
}

impl Flying {
    /// Whether somebody waits for its sync.
    fn wants_sync(&self, durable: u64) -> bool {
        self.must_sync && self.number > durable && !(self.is_shown && self.group.is_given_up())
    }
}

impl Writer {
    /// So much must have come together for a write while a sync is under way: less waits for it,
    /// and goes with more.
    pub(super) fn least_bytes(&self) -> usize {
        self.syncing.map_or(0, |_| self.shared.options.early_bytes)
    }

    /// Has what is in the file by now synced, beside the writer.
    pub(super) fn begin_sync(&mut self) {
        let Some(active) = &self.active else { return };
        if self.syncing.is_some() || active.is_durable() {
            return;
        }
        self.shared.counted.syncs.fetch_add(1, Relaxed);
        self.syncing = Some((active.group(), active.offset));
        self.shared.syncer.begin(active.file.clone());
        self.undurable_since = None;
    }

    /// For how much longer nobody minds that no sync is under way, if there will have to be one.
    pub(super) fn lingers_for(&self) -> Option<Duration> {
        let durable = self.durable_group();
        let waiting = self.flying.iter().filter(|flying| flying.wants_sync(durable));
        let first = waiting.map(|flying| flying.sync_at).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    /// Begins a sync if it is time, and lands what needs none.
    pub(super) fn go_on(&mut self) {
        if self.syncing.is_none() {
            self.sync_what_waits();
        }
        if self.syncing.is_none() {
            self.land();
            self.show_early();
        }
    }

    /// How long to wait with the sync of a group that is in the file now.
    pub(super) fn lingers(&self, group: &Group) -> Duration {
        let is_seen = group.is_early() && self.ceiling_group <= self.durable_group();
        if is_seen { group.linger() } else { Duration::ZERO }
    }

    /// Shows what may be seen before it is durable, in order.
    pub(super) fn show_early(&mut self) {
        let durable = self.durable_group();
        for at in 0..self.flying.len() {
            let flying = &self.flying[at];
            if flying.is_shown {
                continue;
            }
            if !flying.group.is_early() || self.ceiling_group > durable {
                return;
            }
            for (early, sequences) in flying.group.waiting.iter().filter_map(|waiting| waiting.early.as_ref())
            {
                early.seen.clone().seen(sequences);
            }
            self.show(flying);
            self.flying[at].is_shown = true;
        }
    }

    /// Takes what a sync has brought, if there is one that is done. The disk goes on before anybody
    /// is told.
    pub(super) fn collect(&mut self) {
        let Some(outcome) = self.syncing.and_then(|_| self.shared.syncer.outcome()) else { return };
        let collected = self.synced(outcome);
        if let Err(broken) = collected {
            return self.give_up(&broken);
        }
        self.show_early();
        // What has come since then goes along with the next sync, or waits for a whole one.
        let durable = self.durable_group();
        if self.flying.iter().any(|flying| flying.wants_sync(durable))
            && let Some(group) = self.shared.intake.take()
        {
            self.group(group);
        }
        if self.failed.is_none() {
            self.sync_what_waits();
            self.land();
            // What stood behind those that had to be durable first.
            self.show_early();
        }
    }

    /// Waits for the sync under way.
    pub(super) fn await_sync(&mut self) -> Result<(), Broken> {
        match self.syncing {
            Some(_) => {
                let outcome = self.shared.syncer.wait();
                self.synced(outcome)
            }
            None => Ok(()),
        }
    }

    fn synced(&mut self, outcome: io::Result<()>) -> Result<(), Broken> {
        let Some((group, offset)) = self.syncing.take() else { return Ok(()) };
        match outcome {
            Ok(()) => {
                if let Some(active) = &mut self.active {
                    active.is_durable_to(group, offset);
                }
                self.is_durable(group);
                Ok(())
            }
            Err(error) => {
                let time = self.shared.ledger().time;
                self.rescue(&error, None, time)
            }
        }
    }

    fn sync_what_waits(&mut self) {
        let (durable, now) = (self.durable_group(), Instant::now());
        let is_due = |flying: &Flying| flying.wants_sync(durable) && flying.sync_at <= now;
        let undurable = self.active.as_ref().map_or(0, |active| active.offset - active.durable);
        if self.flying.iter().any(is_due) || undurable > self.shared.options.unsynced_bytes_max {
            self.begin_sync();
        } else if self.syncing.is_none()
            && self.undurable_since.is_none()
            && self.active.as_ref().is_some_and(|active| !active.is_durable())
        {
            self.undurable_since = Some(Instant::now());
        }
    }

    /// Shows and answers what is as safe as it was to be, in order.
    pub(super) fn land(&mut self) {
        let durable = self.durable_group();
        while let Some(flying) = self.flying.pop_front_if(|flying| !flying.wants_sync(durable)) {
            if !flying.is_shown {
                self.show(&flying);
            }
            let time = Timestamp::from_ticks(flying.time);
            for waiting in flying.group.waiting {
                drop(waiting.answer.send(Ok(time)));
            }
            flying.asked.answer(&self.shared, Ok(()));
            self.shared.intake.give_room(flying.group.bytes);
        }
    }

    /// The log stands still: nobody knows what became of what was in the air.
    pub(super) fn give_up(&mut self, broken: &Broken) {
        if self.failed.is_some() {
            return;
        }
        tracing::error!(reason = %broken, "The log stops writing.");
        self.shared.intake.break_off(broken);
        self.failed = Some(broken.clone());
        for flying in std::mem::take(&mut self.flying) {
            flying.asked.answer(&self.shared, Err(&CursorError::Broken(broken.clone())));
            self.refuse(flying.group, &AppendError::Unknown);
        }
    }

    fn durable_group(&self) -> u64 {
        self.shared.durable_group.load(SeqCst)
    }

    /// From here on readers see it.
    fn show(&self, flying: &Flying) {
        let (shared, group, time) = (&self.shared, &flying.group, flying.time);
        let counted = &shared.counted;
        counted.repetitions.fetch_add(group.repetitions, Relaxed);
        if flying.slices.is_empty() {
            return;
        }
        if let Some(active) = &self.active {
            active.segment.set_end(flying.end);
        }
        let records = || flying.slices.iter().filter(|growing| growing.slice.partition != NOTES);
        let recent: Vec<_> = records().map(|growing| (growing.slice, growing.bytes.clone())).collect();
        if !recent.is_empty() {
            shared.recent().push(time, recent);
        }
        for growing in records() {
            let slice = &growing.slice;
            if let Some(gate) = shared.gate(Partition::new(slice.partition)) {
                gate.reach(slice.next, time, slice.wanted);
            }
        }
        counted.groups.fetch_add(1, Relaxed);
        counted.records.fetch_add(group.records, Relaxed);
        counted.record_bytes.fetch_add(group.record_bytes, Relaxed);
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}
