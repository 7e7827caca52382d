//! A group in the making: what arrives while the one before it is on its way to the disk.
//!
//! Callers encode their records into it themselves, so that their processors work while the disk
//! does, and the writer only puts the slices one behind the other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use skerry_model::Timestamp;
use tokio::sync::oneshot;

use super::block::{NOTES, SLICES_MAX, Slice};
use super::envelope;
use crate::log::{
    AppendError, Cursor, CursorError, CursorId, Draft, Durability, Early, Name, Order, Partition, Progress,
    Sequence, Start,
};

/// A slice is ended when it has so many bytes: what a damaged byte costs, and what a reader holds.
const SLICE_BYTES: usize = 64 << 10;
/// A slice that was made elsewhere stays one when it has so many; smaller ones are put together.
const SLICE_BYTES_MIN: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Group {
    pub(super) slices: Vec<Growing>,
    /// The slice of each partition that still grows.
    open: BTreeMap<Partition, usize>,
    /// Bytes that are to come, where that is known.
    expected: usize,
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
    /// Somebody asked for something that nobody is to see before it is safe.
    is_held: bool,
    /// Somebody waits to see it.
    is_urgent: bool,
}

/// A slice in the making.
pub(super) struct Growing {
    pub(super) slice: Slice,
    bytes: Vec<u8>,
    /// So many of its bytes are in its sum.
    summed: usize,
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
    /// Where its records are, for who lets them be seen early.
    pub(super) early: Option<(Early, Vec<Sequence>)>,
}

/// What is asked beside records.
pub(super) enum Job {
    Open { name: String, start: Start, answer: oneshot::Sender<Result<Cursor, CursorError>> },
    Advance { id: CursorId, progress: Progress, answer: oneshot::Sender<Result<(), CursorError>> },
    Drop { id: CursorId, answer: oneshot::Sender<Result<(), CursorError>> },
    Trim { partition: Partition, before: Sequence, answer: oneshot::Sender<Result<(), CursorError>> },
}

impl Group {
    /// For so many bytes of one partition.
    pub(super) fn expecting(bytes: usize) -> Self {
        Self { expected: bytes, ..Self::default() }
    }

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

    /// A batch waits for it.
    pub(super) fn wait(&mut self, waiting: Waiting, durability: Durability) {
        self.want(durability);
        self.is_held |= waiting.early.is_none();
        self.is_urgent |= waiting.early.as_ref().is_some_and(|(early, _)| early.is_urgent);
        self.waiting.push(waiting);
    }

    /// Carries a job.
    pub(super) fn carry(&mut self, job: Job, durability: Durability) {
        self.want(durability);
        self.is_held |= durability == Durability::Synced;
        self.jobs.push(job);
    }

    /// Whether somebody's records would be seen early, if not in this group then in the next.
    pub(super) fn has_early(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.early.is_some())
    }

    /// Whether readers may see its records before they are safe.
    pub(super) fn is_early(&self) -> bool {
        !self.is_held && !self.waiting.is_empty()
    }

    /// Whether somebody would see them.
    pub(super) fn is_urgent(&self) -> bool {
        self.is_urgent && self.is_early()
    }

    /// For so long its callers would rather not have it synced.
    pub(super) fn linger(&self) -> Duration {
        let lingers = self.waiting.iter().filter_map(|waiting| Some(waiting.early.as_ref()?.0.linger));
        lingers.min().unwrap_or_default()
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_early() && self.waiting.iter().all(|waiting| waiting.answer.is_closed())
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
        self.end_if_full(draft.partition, at);
    }

    /// Takes over what a caller encoded into a group of its own; what it counted from 0 is counted
    /// from `start`.
    pub(super) fn absorb(&mut self, ready: Group, start: impl Fn(Partition) -> u64) {
        for mut growing in ready.slices {
            let partition = Partition::new(growing.slice.partition);
            let start = start(partition);
            (growing.slice.first, growing.slice.next) =
                (growing.slice.first + start, growing.slice.next + start);
            let at = match self.open.get(&partition) {
                Some(at) if growing.bytes.len() < SLICE_BYTES_MIN => {
                    self.slices[*at].append(&growing);
                    *at
                }
                _ => {
                    self.slices.push(growing);
                    let at = self.slices.len() - 1;
                    self.open.insert(partition, at);
                    at
                }
            };
            self.end_if_full(partition, at);
        }
        for (cursor, (records, bytes)) in ready.wants {
            let wanted = self.wants.entry(cursor).or_default();
            *wanted = (wanted.0 + records, wanted.1 + bytes);
        }
        self.names.extend(ready.names);
        self.records += ready.records;
        self.record_bytes += ready.record_bytes;
    }

    fn begin(&mut self, partition: Partition, first: u64) -> usize {
        let slice = Slice { partition: partition.number(), first, next: first, ..Slice::default() };
        let room = self.expected.clamp(1024, SLICE_BYTES + 1024);
        self.expected = self.expected.saturating_sub(SLICE_BYTES);
        self.slices.push(Growing { slice, bytes: Vec::with_capacity(room), summed: 0 });
        self.open.insert(partition, self.slices.len() - 1);
        self.slices.len() - 1
    }

    fn end_if_full(&mut self, partition: Partition, at: usize) {
        let growing = &mut self.slices[at];
        if growing.bytes.len() >= SLICE_BYTES {
            growing.sum();
            self.open.remove(&partition);
        }
    }

    /// Does what else the writer would have to do.
    pub(super) fn sum(&mut self) {
        self.slices.iter_mut().for_each(Growing::sum);
    }

    /// The slices as a block lists them: notes first, then by partition.
    pub(super) fn finish(&mut self, notes: Vec<u8>) -> Vec<Grown> {
        let mut slices = std::mem::take(&mut self.slices);
        slices.sort_by_key(|growing| (growing.slice.partition, growing.slice.first));
        if !notes.is_empty() {
            let slice = Slice { partition: NOTES, ..Slice::default() };
            slices.insert(0, Growing { slice, bytes: notes, summed: 0 });
        }
        let grown = slices.into_iter().map(|mut growing| {
            growing.sum();
            Grown { slice: growing.slice, bytes: growing.bytes.into() }
        });
        grown.collect()
    }
}

impl Growing {
    /// Adds the records of a slice that comes right after this one.
    fn append(&mut self, next: &Self) {
        let slice = &mut self.slice;
        (slice.count, slice.next) = (slice.count + next.slice.count, next.slice.next);
        slice.has_names |= next.slice.has_names;
        slice.wanted |= next.slice.wanted;
        self.bytes.extend_from_slice(&next.bytes);
    }

    fn sum(&mut self) {
        let mut sum = crc32fast::Hasher::new_with_initial(self.slice.sum);
        sum.update(&self.bytes[self.summed..]);
        self.slice.sum = sum.finalize();
        self.summed = self.bytes.len();
        self.slice.len = u32::try_from(self.summed).expect("batches are bounded far below 4 GiB");
    }
}

/// The bit of a cursor in [`Slice::wanted`].
pub(super) fn mask(cursor: CursorId) -> u64 {
    1 << (cursor.number() % 64)
}
