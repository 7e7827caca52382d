//! What is appended, and how: the dimensions of the bench.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_store::log::{CursorId, Draft, Durability, Partition};

use crate::meter::now;

/// How records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So many tasks, each with a batch of so many records on its way.
    Batches { tasks: usize, records: u64 },
    /// So many tasks, each with one record on its way.
    Singles { in_flight: usize },
}

pub(crate) const BATCHES: Shape = Shape::Batches { tasks: 16, records: 250 };
pub(crate) const SINGLES: Shape = Shape::Singles { in_flight: 1024 };

impl Shape {
    pub(crate) fn tasks(self) -> usize {
        match self {
            Self::Batches { tasks, .. } => tasks,
            Self::Singles { in_flight } => in_flight,
        }
    }

    /// Records of one call.
    pub(crate) fn records(self) -> u64 {
        match self {
            Self::Batches { records, .. } => records,
            Self::Singles { .. } => 1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Bytes of a payload.
    pub(crate) size: usize,
    pub(crate) partitions: u32,
    pub(crate) durability: Durability,
    pub(crate) shape: Shape,
}

impl Case {
    pub(crate) fn new(size: usize, partitions: u32, durability: Durability, shape: Shape) -> Self {
        Self { size, partitions, durability, shape }
    }

    /// Neighbours in time are of different senders, so they go to different partitions.
    pub(crate) fn partition(&self, number: u64) -> u32 {
        (number % u64::from(self.partitions)) as u32
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, durability) = (self.size, self.durability.word());
        let plural = if self.partitions == 1 { "" } else { "s" };
        write!(f, "{size} B, {} partition{plural}, {durability}, ", self.partitions)?;
        match self.shape {
            Shape::Batches { tasks, records } => write!(f, "{tasks} × {records} in flight"),
            Shape::Singles { in_flight } => write!(f, "{in_flight} × 1 in flight"),
        }
    }
}

/// Payloads that nothing on their way can make smaller.
#[derive(Clone, Debug)]
pub(crate) struct Payloads {
    pool: Bytes,
    size: usize,
}

/// More than the processors' caches hold would measure those.
const POOL: usize = 1 << 20;

impl Payloads {
    pub(crate) fn new(size: usize) -> Self {
        // splitmix64: good enough for a disk that might compress.
        let mut state = 0x5eed_u64;
        let words = (0..POOL / 8).flat_map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)).to_le_bytes()
        });
        Self { pool: words.collect::<Vec<u8>>().into(), size: size.min(POOL / 2) }
    }

    pub(crate) fn of(&self, number: u64) -> Bytes {
        let at = number.wrapping_mul(257) % (POOL - self.size) as u64;
        self.pool.slice(at as usize..at as usize + self.size)
    }

    pub(crate) fn draft(&self, case: &Case, number: u64, wanted_by: &Arc<[CursorId]>) -> Draft {
        Draft {
            partition: Partition::new(case.partition(number)),
            wanted_by: wanted_by.clone(),
            payload: self.of(number),
            ..Draft::default()
        }
    }
}

/// Numbers of records for many tasks, until there are no more or the time is over.
#[derive(Clone, Debug)]
pub(crate) struct Supply {
    next: Arc<AtomicU64>,
    end: u64,
    until: Instant,
}

impl Supply {
    pub(crate) fn new(records: u64, span: Duration) -> Self {
        Self { next: Arc::default(), end: records, until: now() + span }
    }

    pub(crate) fn take(&self, records: u64) -> Option<Range<u64>> {
        if now() >= self.until {
            return None;
        }
        let from = self.next.fetch_add(records, Relaxed);
        (from < self.end).then(|| from..self.end.min(from + records))
    }
}
