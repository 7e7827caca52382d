//! A group in the making: what arrives while the one before it is on its way to the disk.
//!
//! Callers encode their records into it themselves, so that their processors work while the disk
//! does, and the writer only puts the slices one behind the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use skerry_model::Timestamp;
use tokio::sync::oneshot;

use super::block::{NOTES, SLICES_MAX, Slice};
use super::envelope;
use crate::log::{
    AppendError, Cursor, CursorError, CursorId, Draft, Durability, Name, Order, Partition, Progress,
    Sequence, Start,
};

/// A slice is ended when it has so many bytes: what a damaged byte costs, and what a reader holds.
const SLICE_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Group {
    pub(super) slices: Vec<Growing>,
    /// The slice of each partition that still grows.
    open: BTreeMap<Partition, usize>,
    /// Headers and payloads, and what the jobs weigh.
    pub(super) bytes: usize,
    pub(super) record_bytes: u64,
    pub(super) records: u64,
    pub(super) repetitions: u64,
    pub(super) waiting: Vec<Waiting>,
    pub(super) names: Vec<Name>,
    /// Records and bytes that each cursor wants.
    pub(super) wants: BTreeMap<CursorId, (u64, u64)>,
    pub(super) durability: Option<Durability>,
    pub(super) jobs: Vec<Job>,
}

/// A slice in the making.
pub(super) struct Growing {
    pub(super) slice: Slice,
    bytes: Vec<u8>,
    is_summed: bool,
}

/// A slice as it is written and shown to readers; clones share the bytes.
#[derive(Clone)]
pub(super) struct Grown {
    pub(super) slice: Slice,
    pub(super) bytes: Bytes,
}

/// A batch that waits for its group.
pub(super) struct Waiting {
    pub(super) answer: oneshot::Sender<Result<Timestamp, AppendError>>,
    pub(super) order: Option<Order>,
}

/// What is asked beside records.
pub(super) enum Job {
    Open { name: String, start: Start, answer: oneshot::Sender<Result<Cursor, CursorError>> },
    Advance { id: CursorId, progress: Progress, answer: oneshot::Sender<Result<(), CursorError>> },
    Drop { id: CursorId, answer: oneshot::Sender<Result<(), CursorError>> },
    Trim { partition: Partition, before: Sequence, answer: oneshot::Sender<Result<(), CursorError>> },
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.jobs.is_empty()
    }

    /// Whether it should be ended before `bytes` more.
    pub(super) fn is_full_for(&self, bytes: usize, bytes_max: usize) -> bool {
        !self.is_empty() && (self.bytes + bytes > bytes_max || self.slices.len() >= SLICES_MAX / 2)
    }

    pub(super) fn want(&mut self, durability: Durability) {
        self.durability = self.durability.max(Some(durability));
    }

    /// Adds a record that gets `sequence`, the next of its partition.
    pub(super) fn push(&mut self, draft: &Draft, sequence: u64) {
        let at = match self.open.get(&draft.partition) {
            Some(at) => *at,
            None => self.begin(draft.partition, sequence),
        };
        let growing = &mut self.slices[at];
        envelope::encode(draft, &mut growing.bytes);
        growing.slice.count += 1;
        growing.slice.next = sequence + 1;
        growing.slice.has_names |= draft.name.is_some();
        let bytes = draft.headers.len() + draft.payload.len();
        for cursor in draft.wanted_by.iter() {
            growing.slice.wanted |= mask(*cursor);
            let (records, wanted) = self.wants.entry(*cursor).or_default();
            (*records, *wanted) = (*records + 1, *wanted + bytes as u64);
        }
        self.names.extend(draft.name);
        (self.records, self.record_bytes) = (self.records + 1, self.record_bytes + bytes as u64);
        if growing.bytes.len() >= SLICE_BYTES {
            growing.sum();
            self.open.remove(&draft.partition);
        }
    }

    fn begin(&mut self, partition: Partition, first: u64) -> usize {
        let slice = Slice { partition: partition.number(), first, next: first, ..Slice::default() };
        let bytes = Vec::with_capacity(1024);
        self.slices.push(Growing { slice, bytes, is_summed: false });
        self.open.insert(partition, self.slices.len() - 1);
        self.slices.len() - 1
    }

    /// The slices as a block lists them: notes first, then by partition.
    pub(super) fn finish(&mut self, notes: Vec<u8>) -> Vec<Grown> {
        let mut slices = std::mem::take(&mut self.slices);
        slices.sort_by_key(|growing| (growing.slice.partition, growing.slice.first));
        if !notes.is_empty() {
            let slice = Slice { partition: NOTES, ..Slice::default() };
            slices.insert(0, Growing { slice, bytes: notes, is_summed: false });
        }
        let grown = slices.into_iter().map(|mut growing| {
            growing.sum();
            Grown { slice: growing.slice, bytes: growing.bytes.into() }
        });
        grown.collect()
    }
}

impl Growing {
    fn sum(&mut self) {
        if !self.is_summed {
            self.slice.sum = crc32fast::hash(&self.bytes);
            self.slice.len = u32::try_from(self.bytes.len()).expect("batches are bounded far below 4 GiB");
            self.is_summed = true;
        }
    }
}

/// The bit of a cursor in [`Slice::wanted`].
pub(super) fn mask(cursor: CursorId) -> u64 {
    1 << (cursor.number() % 64)
}
