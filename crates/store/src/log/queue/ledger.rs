//! What is in flight, what was given back, and what was settled but not told.

use std::collections::BTreeMap;

use crate::log::{Durability, Progress, Record, Sequence};

#[derive(Default)]
pub(super) struct Ledger {
    out: BTreeMap<Sequence, Lent>,
    given_back: BTreeMap<Sequence, Lent>,
    untold: Untold,
    /// The position that the log knows.
    told: Sequence,
}

#[derive(Clone, Copy)]
struct Lent {
    bytes: u64,
    times: u32,
}

/// Settled since the log was told.
#[derive(Default)]
pub(super) struct Untold {
    /// At or beyond the position, with the bytes of each.
    beyond: BTreeMap<Sequence, u64>,
    /// Before the position: how many, and their bytes.
    records: u64,
    bytes: u64,
}

impl Ledger {
    pub(super) fn new(told: Sequence) -> Self {
        Self { told, ..Self::default() }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.out.len()
    }

    pub(super) fn unsaved(&self) -> usize {
        self.untold.beyond.len()
    }

    pub(super) fn first_given_back(&self) -> Option<Sequence> {
        self.given_back.first_key_value().map(|(&first, _)| first)
    }

    /// Everything before it is settled; `position` is that of the reader.
    pub(super) fn below(&self, position: Sequence) -> Sequence {
        let out = self.out.first_key_value().map(|(&first, _)| first);
        [out, self.first_given_back()].into_iter().flatten().fold(position, Ord::min)
    }

    /// Returns how often it was lent before.
    pub(super) fn lend(&mut self, record: &Record) -> u32 {
        let bytes = (record.headers.len() + record.payload.len()) as u64;
        let before = self.given_back.remove(&record.sequence).map_or(0, |lent| lent.times);
        self.out.insert(record.sequence, Lent { bytes, times: before.saturating_add(1) });
        before
    }

    pub(super) fn give_back(&mut self, sequence: Sequence) -> bool {
        let lent = self.out.remove(&sequence);
        lent.is_some_and(|lent| self.given_back.insert(sequence, lent).is_none())
    }

    /// Whoever gave it back may still settle it: the answer of a consumer that was thought gone.
    pub(super) fn settle(&mut self, sequence: Sequence) -> bool {
        let lent = self.out.remove(&sequence).or_else(|| self.given_back.remove(&sequence));
        lent.is_some_and(|lent| self.untold.beyond.insert(sequence, lent.bytes).is_none())
    }

    /// It was given back and is gone from the log, which does not count it any more.
    pub(super) fn lose(&mut self, sequence: Sequence) {
        self.given_back.remove(&sequence);
    }

    /// Forgets the single records that the position has passed, but for their sum.
    pub(super) fn settle_below(&mut self, below: Sequence) {
        if self.untold.beyond.first_key_value().is_none_or(|(first, _)| *first >= below) {
            return;
        }
        let beyond = self.untold.beyond.split_off(&below);
        let passed = std::mem::replace(&mut self.untold.beyond, beyond);
        self.untold.records += passed.len() as u64;
        self.untold.bytes += passed.values().sum::<u64>();
    }

    /// What the log is to be told now, if anything; it counts as told until it is put back.
    /// `beyond` says whether single records beyond the position are among it.
    pub(super) fn tell(
        &mut self,
        below: Sequence,
        beyond: bool,
        durability: Durability,
    ) -> Option<(Progress, Told)> {
        self.settle_below(below);
        let mut untold = std::mem::take(&mut self.untold);
        if !beyond {
            self.untold.beyond = std::mem::take(&mut untold.beyond);
        }
        if below == self.told && untold.records == 0 && untold.beyond.is_empty() {
            return None;
        }
        let progress = Progress {
            below,
            settled: untold.beyond.keys().copied().collect(),
            records: untold.records + untold.beyond.len() as u64,
            bytes: untold.bytes + untold.beyond.values().sum::<u64>(),
            durability,
        };
        let told = Told { before: std::mem::replace(&mut self.told, below), untold };
        Some((progress, told))
    }

    /// The log did not take it.
    pub(super) fn put_back(&mut self, told: Told) {
        self.told = told.before;
        self.untold.records += told.untold.records;
        self.untold.bytes += told.untold.bytes;
        self.untold.beyond.extend(told.untold.beyond);
    }
}

/// What was told, in case the log does not take it.
pub(super) struct Told {
    before: Sequence,
    untold: Untold,
}
