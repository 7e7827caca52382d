//! Which files go: those too old, those that nobody wants, and at the cap those that must.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use skerry_model::Timestamp;

use super::ledger::Ledger;
use super::segment::{Head, Segment};
use super::shared::Shared;
use super::writer::Writer;
use crate::log::{Full, Partition, Winner};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Age,
    Cap,
    Settled,
}

impl Writer {
    /// Between groups.
    pub(super) fn retain(&mut self) {
        if std::mem::take(&mut self.may_be_settled) {
            self.remove_settled();
            if self.shared.is_tight() {
                self.shared.rewriting.wake();
            }
        }
        if let Some(age_max) = self.shared.options.limits.age_max {
            let now = self.shared.options.clock.now();
            let limit = ticks_before(now, age_max);
            self.remove_older_than(limit);
        }
    }

    /// Room for `len` bytes more, if the rules find any. Where cursors win, the length of one file
    /// stays free for rewriting what lags, and for notes: a settlement makes room in the end.
    pub(super) fn make_room(&mut self, len: u64, has_records: bool) -> Result<(), Full> {
        let shared = self.shared.clone();
        let limits = &shared.options.limits;
        // A new file begins with what is known.
        let needed = len + (128 << 10);
        let spare = match limits.winner {
            Winner::Retention => 0,
            Winner::Cursors if has_records => shared.options.segment_bytes,
            Winner::Cursors => 0,
        };
        let cap = limits.bytes_max.saturating_sub(spare);
        let fits = || shared.catalog.bytes() + needed <= cap;
        if fits() {
            return Ok(());
        }
        self.remove_settled();
        self.leaving.wait();
        while !fits() {
            let oldest = shared.catalog.oldest().filter(|oldest| !self.is_active(oldest));
            let oldest = oldest.filter(|oldest| self.may_go(oldest));
            match oldest {
                Some(oldest) if self.remove(&oldest, Why::Cap) => {}
                // A file that cannot be removed does no harm while there is room for what is at hand.
                _ if shared.catalog.bytes() + len <= cap && limits.winner == Winner::Retention => {
                    return Ok(());
                }
                _ => {
                    shared.rewriting.wake();
                    return Err(Full::Cap { bytes: shared.catalog.bytes(), bytes_max: limits.bytes_max });
                }
            }
        }
        Ok(())
    }

    /// From the oldest on, up to the first that is still wanted: a file that is missing between
    /// others is damage. What is settled behind it is left to rewriting.
    fn remove_settled(&mut self) {
        let shared = self.shared.clone();
        let files = &*shared.options.files;
        while let Some(oldest) = shared.catalog.oldest() {
            let Some(after) = shared.catalog.after(&oldest) else { return };
            let heads = (oldest.head(files).ok().flatten(), after.head(files).ok().flatten());
            let (Some(head), Some(after)) = heads else { return };
            if !is_dead(&head, &after, &shared.ledger(), shared.options.limits.winner) {
                return;
            }
            // What says that it was settled is durable first, or a cursor that was set back would
            // count what is gone.
            if self.sync_now().is_err() {
                return;
            }
            if !self.remove(&oldest, Why::Settled) {
                return;
            }
        }
    }

    /// Whether a file may go although it was not settled.
    fn may_go(&self, segment: &Segment) -> bool {
        let shared = &self.shared;
        if shared.options.limits.winner == Winner::Retention {
            return true;
        }
        let files = &*shared.options.files;
        let Some(after) = shared.catalog.after(segment) else { return false };
        let heads = (segment.head(files).ok().flatten(), after.head(files).ok().flatten());
        let (Some(head), Some(after)) = heads else { return false };
        is_unwanted(&head, &after, &shared.ledger())
    }

    fn remove_older_than(&mut self, limit: i64) {
        let shared = self.shared.clone();
        let files = &*shared.options.files;
        while let Some(oldest) = self.shared.catalog.oldest() {
            // The newest record of a file is no newer than the beginning of the next.
            let Some(after) = self.shared.catalog.after(&oldest) else { break };
            match after.head(files) {
                Ok(Some(head))
                    if head.time < limit && self.may_go(&oldest) && self.remove(&oldest, Why::Age) => {}
                _ => break,
            }
        }
        // A file that hardly grows must end for its records to grow old.
        let is_old = self.shared.ledger().time < limit
            && self.active.as_ref().is_some_and(super::active::Active::has_groups);
        if is_old && self.roll_for_age().is_err() {
            tracing::debug!("an old file could not be ended yet");
        }
    }

    fn is_active(&self, segment: &Arc<Segment>) -> bool {
        self.active.as_ref().is_some_and(|active| Arc::ptr_eq(&active.segment, segment))
    }

    /// Removes the oldest file; whether that made room. A file that stays on the disk stays in the
    /// log, and keeps those behind it: between others none may be missing.
    fn remove(&mut self, segment: &Segment, why: Why) -> bool {
        let shared = &self.shared;
        let _removing = shared.removing();
        // It may have been rewritten since it was looked at.
        if !shared.catalog.holds(segment) {
            return true;
        }
        if let Some(after) = shared.catalog.after(segment) {
            // What is about to go from the files is not read from memory either.
            let head = after.head(&*shared.options.files).ok().flatten();
            for (partition, start) in head.iter().flat_map(|head| &head.starts) {
                if let Some(gate) = shared.gate(Partition::new(*partition)) {
                    gate.first.fetch_max(*start, SeqCst);
                }
            }
        }
        count(shared, why, segment.bytes());
        // A power cut must not bring back an older file and keep a later one away: the removal
        // before this one is durable first, which beginning a file has mostly seen to.
        let settled = match shared.is_removal_open.load(SeqCst) {
            true => shared.options.files.sync_directory(),
            false => Ok(()),
        };
        let held = (why == Why::Settled).then(|| shared.options.files.open(&segment.name()).ok()).flatten();
        let removed = settled.and_then(|()| shared.options.files.remove(&segment.name()));
        if let Some(file) = held {
            self.leaving.close(file);
        }
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(file = segment.name(), %error, "A file of the log could not be removed.");
                uncount(shared, why, segment.bytes());
                false
            }
            _ => {
                shared.is_removal_open.store(true, SeqCst);
                shared.catalog.take(segment.first);
                true
            }
        }
    }
}

fn count(shared: &Shared, why: Why, bytes: u64) {
    counter(shared, why).fetch_add(bytes, Relaxed);
}

fn uncount(shared: &Shared, why: Why, bytes: u64) {
    counter(shared, why).fetch_sub(bytes, Relaxed);
}

fn counter(shared: &Shared, why: Why) -> &AtomicU64 {
    match why {
        Why::Age => &shared.counted.removed_by_age_bytes,
        Why::Cap => &shared.counted.removed_by_cap_bytes,
        Why::Settled => &shared.counted.removed_settled_bytes,
    }
}

/// Whether nobody will ask for anything between two heads: it was trimmed, or every cursor has
/// settled it. Where there is no cursor at all, nobody has said so.
fn is_dead(head: &Head, after: &Head, ledger: &Ledger, winner: Winner) -> bool {
    let is_trimmed = |partition: Partition, end: u64| {
        ledger.partitions.get(&partition).is_some_and(|known| known.first >= end)
    };
    let is_settled = winner == Winner::Cursors && !ledger.cursors.is_empty();
    spans(head, after).all(|(partition, end)| {
        is_trimmed(partition, end) || (is_settled && !is_wanted(ledger, partition, end))
    })
}

/// Whether no cursor wants anything between two heads.
fn is_unwanted(head: &Head, after: &Head, ledger: &Ledger) -> bool {
    spans(head, after).all(|(partition, end)| !is_wanted(ledger, partition, end))
}

/// The partitions that have records between two heads, with the sequence after the last.
fn spans(head: &Head, after: &Head) -> impl Iterator<Item = (Partition, u64)> {
    let spans = after.starts.iter().filter(|(partition, end)| *end > head.start(*partition));
    spans.map(|(partition, end)| (Partition::new(*partition), *end))
}

fn is_wanted(ledger: &Ledger, partition: Partition, end: u64) -> bool {
    ledger.cursors.values().any(|cursor| cursor.partition == partition && cursor.below < end)
}

fn ticks_before(now: Timestamp, age: std::time::Duration) -> i64 {
    let ticks = i64::try_from(age.as_nanos() / 100).unwrap_or(i64::MAX);
    now.ticks().saturating_sub(ticks)
}
