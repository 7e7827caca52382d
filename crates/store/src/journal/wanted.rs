//! What is still wanted of old files.

use std::collections::BTreeMap;

use super::block::{NOTES, Slice};
use super::envelope::Envelopes;
use super::ledger::{CursorLedger, Ledger};
use super::walk::{Standing, Walk};
use crate::log::{CursorId, CursorKind, Partition, Winner};

/// What cursors want, at one moment.
pub(super) struct Wanted {
    keeps_all: bool,
    named: BTreeMap<CursorId, CursorLedger>,
    every: Vec<CursorLedger>,
    trimmed: BTreeMap<Partition, u64>,
}

impl Wanted {
    pub(super) fn new(ledger: &Ledger, winner: Winner) -> Self {
        let (mut named, mut every) = (BTreeMap::new(), Vec::new());
        for (id, cursor) in &ledger.cursors {
            match cursor.kind {
                CursorKind::Wanted => drop(named.insert(*id, cursor.clone())),
                CursorKind::Every => every.push(cursor.clone()),
            }
        }
        let trimmed = ledger.partitions.iter().map(|(partition, known)| (*partition, known.first)).collect();
        // Without any cursor nobody has said what is not wanted.
        let keeps_all = winner == Winner::Retention || ledger.cursors.is_empty();
        Self { keeps_all, named, every, trimmed }
    }

    fn wants(&self, partition: Partition, sequence: u64, mut names: impl Iterator<Item = CursorId>) -> bool {
        if self.trimmed.get(&partition).is_some_and(|first| sequence < *first) {
            return false;
        }
        self.keeps_all
            || self.every.iter().any(|cursor| cursor.partition == partition && cursor.wants(sequence))
            || names.any(|id| self.named.get(&id).is_some_and(|cursor| cursor.wants(sequence)))
    }
}

/// What is wanted of a block; `None` when it cannot be read.
pub(super) fn keep(
    walk: &mut Walk<'_>,
    standing: &Standing,
    wanted: &Wanted,
) -> Option<Vec<(Slice, Vec<u8>)>> {
    let mut kept = Vec::new();
    for (offset, slice) in standing.slices() {
        if slice.partition == NOTES {
            continue;
        }
        let partition = Partition::new(slice.partition);
        let bytes = walk.slice(offset, slice)?;
        let (mut out, mut first, mut next, mut count) = (Vec::new(), 0, 0, 0);
        for envelope in Envelopes::new(&bytes, slice.first) {
            let envelope = envelope.ok()?;
            if !wanted.wants(partition, envelope.sequence, envelope.wanted_by()) {
                continue;
            }
            if count == 0 {
                (first, next) = (envelope.sequence, envelope.sequence);
            }
            envelope.encode_again(envelope.sequence - next, &mut out);
            (next, count) = (envelope.sequence + 1, count + 1);
        }
        if count > 0 {
            let (len, sum) = (u32::try_from(out.len()).ok()?, crc32fast::hash(&out));
            kept.push((Slice { count, first, next, len, sum, ..*slice }, out));
        }
    }
    Some(kept)
}
