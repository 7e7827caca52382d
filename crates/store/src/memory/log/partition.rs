//! The records of one partition, and which of them are gone.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use bytes::Bytes;
use skerry_model::Timestamp;
use tokio::sync::Notify;

use crate::log::{CursorId, Draft, Extent, From, Loss, Lost, Page, Record, Sequence};

/// What a record costs beside its headers and payload.
const OVERHEAD: u64 = 64;

pub(super) struct Stored {
    /// Its place among the records of all partitions.
    pub(super) arrival: u64,
    pub(super) time: Timestamp,
    headers: Bytes,
    payload: Bytes,
    pub(super) wanted_by: Arc<[CursorId]>,
    /// Cursors that keep it from being removed.
    pub(super) wanting: u32,
}

#[derive(Default)]
pub(super) struct Partition {
    pub(super) records: BTreeMap<u64, Stored>,
    /// Stretches without records where there were some: from, to (exclusive). At most one before
    /// each record and one at the end.
    removed: BTreeMap<u64, u64>,
    pub(super) trimmed: u64,
    pub(super) next: u64,
    newest: Timestamp,
    pub(super) grown: Arc<Notify>,
}

/// What a page may hold, and of which records.
pub(super) struct Frame {
    pub(super) start: u64,
    /// Nothing from here on is shown.
    pub(super) end: u64,
    pub(super) wanted_by: Option<CursorId>,
    pub(super) records_max: usize,
    pub(super) bytes_max: u64,
    /// Records looked at, whether they are wanted or not.
    pub(super) examined_max: usize,
}

impl Stored {
    /// Copies the bytes: those of the draft may be a small part of something large.
    pub(super) fn new(draft: &Draft, arrival: u64, time: Timestamp) -> Self {
        let mut bytes = Vec::with_capacity(draft.headers.len() + draft.payload.len());
        bytes.extend_from_slice(&draft.headers);
        bytes.extend_from_slice(&draft.payload);
        let mut headers = Bytes::from(bytes);
        let payload = headers.split_off(draft.headers.len());
        Self { arrival, time, headers, payload, wanted_by: draft.wanted_by.clone(), wanting: 0 }
    }

    pub(super) fn data_bytes(&self) -> u64 {
        (self.headers.len() + self.payload.len()) as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.data_bytes() + OVERHEAD
    }

    fn record(&self, sequence: u64) -> Record {
        Record {
            sequence: Sequence::from_number(sequence),
            time: self.time,
            headers: self.headers.clone(),
            payload: self.payload.clone(),
        }
    }
}

/// What a draft will cost.
pub(super) fn cost(draft: &Draft) -> u64 {
    (draft.headers.len() + draft.payload.len()) as u64 + OVERHEAD
}

impl Partition {
    pub(super) fn place(&mut self, stored: Stored) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.newest = stored.time;
        self.records.insert(sequence, stored);
        self.grown.notify_waiters();
        sequence
    }

    /// Takes a record out, and remembers that here was something.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Stored> {
        let stored = self.records.remove(&sequence)?;
        let before = self.records.range(..sequence).next_back().map_or(0, |(before, _)| before + 1);
        let after = self.records.range(sequence..).next().map_or(self.next, |(&after, _)| after);
        while let Some((&inside, _)) = self.removed.range(before..after).next() {
            self.removed.remove(&inside);
        }
        self.removed.insert(before, after);
        Some(stored)
    }

    pub(super) fn first(&self) -> u64 {
        self.records.first_key_value().map_or(self.next, |(&first, _)| first)
    }

    pub(super) fn extent(&self) -> Extent {
        Extent {
            first: Sequence::from_number(self.first()),
            next: Sequence::from_number(self.next),
            newest: self.newest,
        }
    }

    /// Where reading begins; not known yet when nothing of that time is there.
    pub(super) fn start(&self, from: From) -> Option<u64> {
        match from {
            From::Oldest => Some(self.first()),
            From::Newest => Some(self.next),
            From::Sequence(sequence) => Some(sequence.number()),
            From::Time(time) => Some(self.first_since(time)).filter(|&start| start < self.next),
        }
    }

    /// Times do not run backwards, so halving the sequences finds it.
    fn first_since(&self, time: Timestamp) -> u64 {
        let (mut low, mut high) = (self.first(), self.next);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.records.range(middle..).next() {
                Some((&sequence, stored)) if stored.time < time => low = sequence + 1,
                _ => high = middle,
            }
        }
        self.records.range(low..).next().map_or(self.next, |(&sequence, _)| sequence)
    }

    pub(super) fn page(&self, frame: &Frame) -> Page {
        let mut page = Page::default();
        let (mut bytes, mut next) = (0, frame.start.max(frame.end));
        let there = self.records.range(frame.start..next);
        for (examined, (&sequence, stored)) in there.enumerate() {
            let wanted = frame.wanted_by.is_none_or(|cursor| stored.wanted_by.contains(&cursor));
            let size = if wanted { stored.data_bytes() } else { 0 };
            let full = page.records.len() >= frame.records_max || bytes + size > frame.bytes_max;
            if (full && !page.records.is_empty()) || examined >= frame.examined_max {
                next = sequence;
                break;
            }
            if wanted {
                bytes += size;
                page.records.push(stored.record(sequence));
            }
        }
        page.next = Sequence::from_number(next);
        page.lost = self.lost(frame.start, next, frame.wanted_by.is_some());
        page
    }

    /// Who reads what it wants misses only what was trimmed: nothing else that it wants goes.
    fn lost(&self, from: u64, to: u64, wanted_only: bool) -> Vec<Lost> {
        let piece = |start: u64, end: u64| {
            let (start, end) = (start.max(from), end.min(to));
            let [from, to] = [start, end].map(Sequence::from_number);
            (start < end).then_some(Lost { from, to, why: Loss::Removed })
        };
        if wanted_only {
            return piece(0, self.trimmed).into_iter().collect();
        }
        let first = self.removed.range(..=from).next_back();
        let rest = self.removed.range((Excluded(from), Unbounded)).take_while(|(start, _)| **start < to);
        first.into_iter().chain(rest).filter_map(|(&start, &end)| piece(start, end)).collect()
    }
}
