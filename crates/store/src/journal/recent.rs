//! The newest groups, in memory, for readers that keep up.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::block::Slice;

pub(super) struct Recent {
    groups: VecDeque<RecentGroup>,
    bytes: usize,
    bytes_max: usize,
    groups_max: usize,
    /// From this sequence on all records of the partition are here. For a partition that is not
    /// listed, from what was its next when the journal was opened.
    since: BTreeMap<u32, u64>,
}

#[derive(Clone)]
pub(super) struct RecentGroup {
    /// Ticks.
    pub(super) time: i64,
    /// Each with its bytes; no notes.
    pub(super) slices: Vec<(Slice, Bytes)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(bytes_max: usize, groups_max: usize, nexts: impl Iterator<Item = (u32, u64)>) -> Self {
        Self { groups: VecDeque::new(), bytes: 0, bytes_max, groups_max, since: nexts.collect() }
    }

    pub(super) fn push(&mut self, time: i64, slices: Vec<(Slice, Bytes)>) {
        let bytes = slices.iter().map(|(_, bytes)| bytes.len()).sum();
        self.bytes += bytes;
        self.groups.push_back(RecentGroup { time, slices, bytes });
        while self.bytes > self.bytes_max || self.groups.len() > self.groups_max {
            let Some(oldest) = self.groups.pop_front() else { break };
            self.bytes -= oldest.bytes;
            for (slice, _) in &oldest.slices {
                let since = self.since.entry(slice.partition).or_default();
                *since = slice.next.max(*since);
            }
        }
    }

    /// The slices of `partition` from `sequence` on, at most `bytes_max` of them and at least one;
    /// `None` when some of them are no longer here.
    pub(super) fn from(
        &self,
        partition: u32,
        sequence: u64,
        bytes_max: usize,
    ) -> Option<Vec<(i64, Slice, Bytes)>> {
        if sequence < self.since.get(&partition).copied().unwrap_or(0) {
            return None;
        }
        // Who keeps up finds its place near the end.
        let ours = |group: &RecentGroup| {
            group
                .slices
                .iter()
                .rev()
                .find(|(slice, _)| slice.partition == partition)
                .map(|(slice, _)| slice.next)
        };
        let mut start = self.groups.len();
        for (at, group) in self.groups.iter().enumerate().rev() {
            match ours(group) {
                Some(next) if next <= sequence => break,
                Some(_) => start = at,
                None => {}
            }
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        for group in self.groups.range(start..) {
            for (slice, content) in &group.slices {
                if slice.partition == partition && slice.next > sequence {
                    bytes += content.len();
                    found.push((group.time, *slice, content.clone()));
                }
            }
            if bytes >= bytes_max {
                break;
            }
        }
        Some(found)
    }
}
