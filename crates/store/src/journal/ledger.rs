//! What the journal knows beside its records, as of the last committed group.
//!
//! Each file begins with all of it; the groups after say what changed. So opening reads one file,
//! however many there are.

use std::collections::{BTreeMap, BTreeSet};

use super::block::{Block, NOTES, Slice};
use super::envelope::Envelopes;
use super::note::{Note, Standing};
use super::wire::{Input, Malformed, put_varint, put_varints};
use crate::log::{Cursor, CursorId, CursorKind, NAMES_WINDOW, Names, Partition, Sequence};

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// The last group.
    pub(super) group: u64,
    /// The newest time of any group, in ticks.
    pub(super) time: i64,
    pub(super) partitions: BTreeMap<Partition, PartitionLedger>,
    pub(super) cursors: BTreeMap<CursorId, CursorLedger>,
    pub(super) next_cursor: u32,
    pub(super) names: Names,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PartitionLedger {
    /// What the next record gets.
    pub(super) next: u64,
    /// What the next record gets after a crash, if more: what was seen before it was durable.
    pub(super) ceiling: u64,
    /// Trimmed up to here.
    pub(super) first: u64,
    /// The time of the newest record, in ticks; 0 before the first.
    pub(super) newest: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CursorLedger {
    pub(super) name: String,
    pub(super) partition: Partition,
    pub(super) kind: CursorKind,
    pub(super) below: u64,
    pub(super) settled: BTreeSet<u64>,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Ledger {
    pub(super) fn new(producers_max: usize) -> Self {
        Self {
            group: 0,
            time: 0,
            partitions: BTreeMap::new(),
            cursors: BTreeMap::new(),
            next_cursor: 0,
            names: Names::new(producers_max),
        }
    }

    pub(super) fn apply(&mut self, note: Note) {
        match note {
            Note::Cursor(standing) => {
                self.next_cursor = self.next_cursor.max(standing.id.number().saturating_add(1));
                self.cursors.insert(standing.id, CursorLedger::from(standing));
            }
            Note::Advance { id, below, settled, records, bytes } => {
                if let Some(cursor) = self.cursors.get_mut(&id) {
                    cursor.settled.extend(settled);
                    cursor.move_to(below);
                    (cursor.records, cursor.bytes) = (records, bytes);
                }
            }
            Note::Drop(id) => drop(self.cursors.remove(&id)),
            Note::Ceiling { partition, to } => self.partitions.entry(partition).or_default().ceiling = to,
            Note::Trim { partition, before } => {
                let first = &mut self.partitions.entry(partition).or_default().first;
                *first = before.max(*first);
            }
        }
    }

    /// Takes in a group as it was read from a file, its slices whole.
    pub(super) fn replay(&mut self, block: &Block, slices: &[(Slice, &[u8])]) -> Result<(), Malformed> {
        for (slice, bytes) in slices.iter().filter(|(slice, _)| slice.partition == NOTES) {
            debug_assert_eq!(slice.len as usize, bytes.len());
            Note::decode_all(bytes)?.into_iter().for_each(|note| self.apply(note));
        }
        for (slice, bytes) in slices.iter().filter(|(slice, _)| slice.partition != NOTES) {
            self.extend(slice, block.time);
            if slice.has_names || slice.wanted != 0 {
                for envelope in Envelopes::new(bytes, slice.first) {
                    let envelope = envelope?;
                    envelope.name.into_iter().for_each(|name| self.names.place(name));
                    for id in envelope.wanted_by() {
                        self.want(id, 1, envelope.bytes() as u64);
                    }
                }
            }
        }
        self.group = self.group.max(block.group);
        self.time = self.time.max(block.time);
        Ok(())
    }

    /// The records of a slice are there.
    pub(super) fn extend(&mut self, slice: &Slice, time: i64) {
        let partition = self.partitions.entry(Partition::new(slice.partition)).or_default();
        partition.next = partition.next.max(slice.next);
        partition.newest = partition.newest.max(time);
    }

    pub(super) fn want(&mut self, id: CursorId, records: u64, bytes: u64) {
        if let Some(cursor) = self.cursors.get_mut(&id) {
            cursor.records += records;
            cursor.bytes += bytes;
        }
    }

    /// As it was before a group that is to be replayed over it. Names stay: a name told twice is
    /// told once.
    pub(super) fn without(&mut self, slices: &[(Slice, &[u8])]) {
        for (slice, bytes) in slices.iter().filter(|(slice, _)| slice.partition != NOTES) {
            let partition = self.partitions.entry(Partition::new(slice.partition)).or_default();
            partition.next = partition.next.min(slice.first);
            if slice.wanted == 0 {
                continue;
            }
            for envelope in Envelopes::new(bytes, slice.first).filter_map(Result::ok) {
                for cursor in envelope.wanted_by() {
                    if let Some(cursor) = self.cursors.get_mut(&cursor) {
                        cursor.records = cursor.records.saturating_sub(1);
                        cursor.bytes = cursor.bytes.saturating_sub(envelope.bytes() as u64);
                    }
                }
            }
        }
    }

    /// Nothing that may have been seen before a crash is given again.
    pub(super) fn jump_over_what_was_seen(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.next = partition.next.max(partition.ceiling);
            partition.ceiling = 0;
        }
    }

    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.cursors.iter().map(|(id, cursor)| cursor.show(*id)).collect()
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_varint(into, u64::from(self.next_cursor));
        put_varint(into, self.partitions.len() as u64);
        for (number, partition) in &self.partitions {
            put_varint(into, u64::from(number.number()));
            let PartitionLedger { next, ceiling, first, newest } = *partition;
            put_varints(into, &[next, ceiling, first, newest as u64]);
        }
        put_varint(into, self.cursors.len() as u64);
        for (id, cursor) in &self.cursors {
            cursor.stand(*id).encode(into);
        }
        let names = self.names.snapshot();
        put_varint(into, names.len() as u64);
        for (producer, window) in names {
            into.extend_from_slice(&producer.to_le_bytes());
            put_varint(into, window.newest);
            put_window(into, window.newest, &window.there);
        }
    }

    pub(super) fn decode(
        block: &Block,
        input: &mut Input<'_>,
        producers_max: usize,
    ) -> Result<Self, Malformed> {
        let mut ledger = Self::new(producers_max);
        (ledger.group, ledger.time) = (block.group, block.time);
        ledger.next_cursor = input.number32()?;
        for _ in 0..input.count(5)? {
            let number = Partition::new(input.number32()?);
            let [next, ceiling, first] = [input.varint()?, input.varint()?, input.varint()?];
            let newest = input.varint()? as i64;
            ledger.partitions.insert(number, PartitionLedger { next, ceiling, first, newest });
        }
        for _ in 0..input.count(8)? {
            let standing = Standing::decode(input)?;
            ledger.cursors.insert(standing.id, CursorLedger::from(standing));
        }
        for _ in 0..input.count(10)? {
            let (producer, newest) = (input.u64()?, input.varint()?);
            let there = window(input, newest)?;
            ledger.names.restore(producer, newest, there);
        }
        Ok(ledger)
    }
}

type There = [u64; NAMES_WINDOW as usize / 64];

/// Most producers count without gaps: then the length of the run says it all.
fn put_window(into: &mut Vec<u8>, newest: u64, there: &There) {
    let run = run_len(newest, there);
    if there == &run_of(newest, run) {
        put_varint(into, run);
    } else {
        put_varint(into, 0);
        there.iter().for_each(|word| into.extend_from_slice(&word.to_le_bytes()));
    }
}

fn window(input: &mut Input<'_>, newest: u64) -> Result<There, Malformed> {
    let run = input.varint()?;
    if run > NAMES_WINDOW || run > newest.saturating_add(1) {
        return Err(Malformed);
    }
    if run > 0 {
        return Ok(run_of(newest, run));
    }
    let mut there = There::default();
    for word in &mut there {
        *word = input.u64()?;
    }
    Ok(there)
}

fn run_len(newest: u64, there: &There) -> u64 {
    let has = |number: u64| {
        let bit = number % NAMES_WINDOW;
        there[(bit / 64) as usize] >> (bit % 64) & 1 == 1
    };
    (0..NAMES_WINDOW.min(newest.saturating_add(1))).take_while(|back| has(newest - back)).count() as u64
}

fn run_of(newest: u64, run: u64) -> There {
    let mut there = There::default();
    for back in 0..run {
        let bit = (newest - back) % NAMES_WINDOW;
        there[(bit / 64) as usize] |= 1 << (bit % 64);
    }
    there
}

impl CursorLedger {
    /// Settles everything before `below`, and what follows it without a gap.
    pub(super) fn move_to(&mut self, below: u64) {
        self.below = self.below.max(below);
        self.settled = self.settled.split_off(&self.below);
        while self.settled.first() == Some(&self.below) {
            self.settled.pop_first();
            self.below += 1;
        }
    }

    pub(super) fn wants(&self, sequence: u64) -> bool {
        sequence >= self.below && !self.settled.contains(&sequence)
    }

    pub(super) fn show(&self, id: CursorId) -> Cursor {
        Cursor {
            id,
            name: self.name.clone(),
            partition: self.partition,
            kind: self.kind,
            below: Sequence::from_number(self.below),
            settled: self.settled.iter().copied().map(Sequence::from_number).collect(),
            records: self.records,
            bytes: self.bytes,
        }
    }

    pub(super) fn stand(&self, id: CursorId) -> Standing {
        Standing {
            id,
            name: self.name.clone(),
            partition: self.partition,
            kind: self.kind,
            below: self.below,
            settled: self.settled.iter().copied().collect(),
            records: self.records,
            bytes: self.bytes,
        }
    }
}

impl From<Standing> for CursorLedger {
    fn from(standing: Standing) -> Self {
        let Standing { name, partition, kind, below, settled, records, bytes, .. } = standing;
        Self { name, partition, kind, below, settled: settled.into_iter().collect(), records, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::block::Kind;
    use crate::log::Name;

    #[test]
    fn a_snapshot_comes_back() {
        let mut ledger = Ledger::new(100);
        for (producer, numbers) in [(1, vec![0]), (2, (0..3000).collect()), (3, vec![5, 9, 700])] {
            numbers.into_iter().for_each(|number| ledger.names.place(Name { producer, number }));
        }
        ledger.partitions.insert(
            Partition::new(4),
            PartitionLedger { next: 9, ceiling: 12, first: 3, newest: 638_000_000_000_000_000 },
        );
        let standing = Standing {
            id: CursorId::from_number(6),
            name: "a".into(),
            partition: Partition::new(4),
            kind: CursorKind::Wanted,
            below: 5,
            settled: vec![7],
            records: 2,
            bytes: 30,
        };
        ledger.apply(Note::Cursor(standing));
        let mut bytes = Vec::new();
        ledger.encode(&mut bytes);
        let block = Block { kind: Kind::State, group: 8, time: 77, durable: 0, slices: Vec::new() };
        let read = Ledger::decode(&block, &mut Input::new(&bytes), 100).unwrap();
        assert_eq!((read.group, read.time, read.next_cursor), (8, 77, 7));
        assert_eq!((&read.partitions, &read.cursors), (&ledger.partitions, &ledger.cursors));
        let (before, after) = (ledger.names.snapshot(), read.names.snapshot());
        let windows = |names: &[(u64, &crate::log::Window)]| -> Vec<_> {
            names.iter().map(|(producer, window)| (*producer, window.newest, window.there)).collect()
        };
        assert_eq!(windows(&before), windows(&after));
        for short in 0..bytes.len() {
            assert!(Ledger::decode(&block, &mut Input::new(&bytes[..short]), 100).is_err());
        }
    }

    #[test]
    fn a_position_swallows_what_was_settled_beyond_it() {
        let mut cursor = CursorLedger {
            name: String::new(),
            partition: Partition::new(0),
            kind: CursorKind::Every,
            below: 3,
            settled: [5, 6, 9].into(),
            records: 0,
            bytes: 0,
        };
        cursor.move_to(5);
        assert_eq!((cursor.below, cursor.settled.len()), (7, 1));
        cursor.move_to(2);
        assert!(!cursor.wants(6) && cursor.wants(7) && !cursor.wants(9));
    }
}
