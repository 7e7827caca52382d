//! From one file to the next: because it is full, because it is old, or because it failed.

use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::active::Active;
use super::files::is_full;
use super::group::Grown;
use super::writer::{Refusal, Writer};
use crate::log::{Broken, Full};

impl Writer {
    /// Ends the file and begins the next. Its beginning has the time of the last record before it,
    /// so that the file before is known to be old as soon as it is.
    pub(super) fn roll(&mut self, now: i64) -> Result<(), Refusal> {
        self.sync_now()?;
        let last = self.shared.ledger().time;
        let time = if last == 0 { now } else { last };
        if let Some(active) = self.active.take() {
            let group = self.shared.ledger().group;
            let (segment, added) = active.end(group, time);
            self.shared.catalog.grow(&segment, added);
            self.previous = segment.known_end().map(|end| (segment.last, end));
        }
        let shared = &self.shared;
        let begun = {
            let ledger = shared.ledger().clone();
            Active::begin(&*shared.options.files, self.next_number, self.salt(), time, &ledger, self.previous)
        };
        match begun {
            Ok(active) => {
                self.adopt(active);
                Ok(())
            }
            Err(error) if is_full(&error) => Err(Refusal::Full(Full::Disk)),
            Err(error) => {
                Err(Refusal::Broken(Broken { what: format!("no new file could be begun: {error}") }))
            }
        }
    }

    fn adopt(&mut self, active: Active) {
        let shared = &self.shared;
        shared.is_removal_open.store(false, SeqCst);
        shared.counted.written_bytes.fetch_add(active.offset, Relaxed);
        // Its beginning, and the directory.
        shared.counted.syncs.fetch_add(2, Relaxed);
        shared.catalog.insert(active.segment.clone());
        self.next_number += 1;
        self.may_be_settled = true;
        self.active = Some(active);
        // Many openings make many small files.
        if self.shared.catalog.len() > 8 {
            self.shared.rewriting.wake();
        }
    }

    fn salt(&self) -> u64 {
        let mut salt = [0; 8];
        self.shared.options.random.fill(&mut salt);
        u64::from_le_bytes(salt)
    }

    /// The file does not become durable: what is not goes to a new one, with the group at hand,
    /// and nobody learns of it but the operator. If that fails too, the log stands still.
    pub(super) fn rescue(
        &mut self,
        failure: &io::Error,
        at_hand: Option<(u64, &[Grown])>,
        time: i64,
    ) -> Result<(), Broken> {
        self.shared.counted.syncs_failed.fetch_add(1, Relaxed);
        tracing::error!(error = %failure, "A file of the log does not become durable; going on in a new one.");
        let broken = |error: io::Error| Broken {
            what: format!("a file could not be made durable ({failure}), and a new one neither ({error})"),
        };
        if self.syncing.take().is_some() {
            // Whatever it says: nothing more is asked of that file.
            drop(self.shared.syncer.wait());
        }
        let Some(mut old) = self.active.take() else { return Ok(()) };
        let (group, groups) = old.undurable();
        let mut ledger = self.shared.ledger().clone();
        ledger.group = group;
        for (_, slices) in &groups {
            let slices: Vec<_> = slices.iter().map(|growing| (growing.slice, &growing.bytes[..])).collect();
            ledger.without(&slices);
        }
        let segment = old.give_up();
        self.previous = segment.known_end().map(|end| (segment.last, end));
        let files = &*self.shared.options.files;
        let mut new = Active::begin(files, self.next_number, self.salt(), time, &ledger, self.previous)
            .map_err(broken)?;
        let mut written = 0;
        for (block, slices) in &groups {
            let again = new.group_block(block.group, block.time, slices);
            let len = new.write(&again, slices).map_err(broken)?;
            new.keep(again, slices, len);
            written += len;
        }
        self.flying.iter_mut().for_each(|flying| flying.end = new.offset);
        let committed_end = new.offset;
        if let Some((number, slices)) = at_hand {
            let block = new.group_block(number, time, slices);
            let len = new.write(&block, slices).map_err(broken)?;
            new.keep(block, slices, len);
            written += len;
        }
        new.sync().map_err(broken)?;
        self.shared.counted.syncs.fetch_add(1, Relaxed);
        self.shared.counted.written_bytes.fetch_add(written, Relaxed);
        self.is_rescued = true;
        let segment = new.segment.clone();
        self.adopt(new);
        self.shared.catalog.grow(&segment, written);
        self.is_durable(at_hand.map_or_else(|| self.shared.ledger().group, |(number, _)| number));
        // What was seen is readable here now; the group at hand will be when it lands.
        segment.set_end(committed_end);
        Ok(())
    }

    /// Ends a file that hardly grows, so that it can be removed.
    pub(super) fn roll_for_age(&mut self) -> Result<(), Refusal> {
        let time = self.shared.ledger().time;
        self.roll(time)
    }
}
