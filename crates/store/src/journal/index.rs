//! Where to begin reading in a file: an entry every few hundred kilobytes.
//!
//! It grows with the file and is written behind its end as a block of its own. It is not synced
//! and not needed: without it the file is read through once.

use std::sync::Arc;

use super::block::{Block, Kind, NOTES, Place, Slice};
use super::segment::Head;
use super::walk::Standing;
use super::wire::{Input, Malformed, put_varint, put_varints};

const EVERY: u64 = 256 << 10;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) entries: Vec<Arc<Entry>>,
    /// Partitions that were seen in this file, with the sequence after their last record.
    reached: Vec<(u32, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// A block begins here.
    pub(super) offset: u64,
    /// The group before it.
    pub(super) group: u64,
    /// Its time, in ticks.
    pub(super) time: i64,
    /// The sequence after the last record before it, for each partition seen so far.
    reached: Vec<(u32, u64)>,
}

impl Index {
    /// Takes in a block that stands at `offset`; whether that made an entry.
    pub(super) fn add(&mut self, block: &Block, offset: u64) -> bool {
        let is_due = self.entries.last().is_none_or(|last| offset >= last.offset + EVERY);
        if is_due {
            let (group, time) = (block.group.saturating_sub(1), block.time);
            self.entries.push(Arc::new(Entry { offset, group, time, reached: self.reached.clone() }));
        }
        for slice in block.slices.iter().filter(|slice| slice.partition != NOTES) {
            match self.reached.binary_search_by_key(&slice.partition, |(partition, _)| *partition) {
                Ok(at) => self.reached[at].1 = self.reached[at].1.max(slice.next),
                Err(at) => self.reached.insert(at, (slice.partition, slice.next)),
            }
        }
        is_due
    }

    /// Where to begin for a record of `partition` at `sequence` or later.
    pub(super) fn find(&self, head: &Head, partition: u32, sequence: u64) -> (u64, u64) {
        let start = head.start(partition);
        self.last(head, |entry| entry.reached(partition).unwrap_or(start) <= sequence)
    }

    /// Where to begin for records of `time` or later.
    pub(super) fn find_time(&self, head: &Head, time: i64) -> (u64, u64) {
        self.last(head, |entry| entry.time < time)
    }

    fn last(&self, head: &Head, is_before: impl Fn(&Entry) -> bool) -> (u64, u64) {
        match self.entries.partition_point(|entry| is_before(entry)) {
            0 => (head.body, head.group),
            count => (self.entries[count - 1].offset, self.entries[count - 1].group),
        }
    }

    /// As a block at `offset`, to be written behind the last group, all of which is durable.
    pub(super) fn encode(&self, salt: u64, offset: u64, group: u64, time: i64) -> Vec<u8> {
        let mut body = Vec::new();
        put_varint(&mut body, self.entries.len() as u64);
        for entry in &self.entries {
            put_varints(&mut body, &[entry.offset, entry.group, entry.time as u64]);
            put_reached(&mut body, &entry.reached);
        }
        put_reached(&mut body, &self.reached);
        let (len, sum) = (body.len() as u32, crc32fast::hash(&body));
        let slices = vec![Slice { partition: NOTES, len, sum, ..Slice::default() }];
        let mut bytes = Vec::with_capacity(body.len() + 64);
        Block { kind: Kind::Index, group, time, durable: offset, slices }
            .encode(Place { salt, offset }, &mut bytes);
        bytes.extend_from_slice(&body);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input::new(bytes);
        let mut index = Self::default();
        for _ in 0..input.count(4)? {
            let (offset, group, time) = (input.varint()?, input.varint()?, input.varint()? as i64);
            let reached = reached(&mut input)?;
            index.entries.push(Arc::new(Entry { offset, group, time, reached }));
        }
        index.reached = reached(&mut input)?;
        Ok(index)
    }

    /// The sequence after the last record of each partition that has any here.
    pub(super) fn reached(&self) -> &[(u32, u64)] {
        &self.reached
    }

    /// Takes in a block that was read.
    pub(super) fn pass(&mut self, standing: &Standing) {
        self.add(&standing.block, standing.offset);
    }
}

fn put_reached(into: &mut Vec<u8>, reached: &[(u32, u64)]) {
    put_varint(into, reached.len() as u64);
    for (partition, sequence) in reached {
        put_varint(into, u64::from(*partition));
        put_varint(into, *sequence);
    }
}

fn reached(input: &mut Input<'_>) -> Result<Vec<(u32, u64)>, Malformed> {
    (0..input.count(2)?).map(|_| Ok((input.number32()?, input.varint()?))).collect()
}

impl Entry {
    fn reached(&self, partition: u32) -> Option<u64> {
        let at = self.reached.binary_search_by_key(&partition, |(partition, _)| *partition).ok()?;
        Some(self.reached[at].1)
    }
}
