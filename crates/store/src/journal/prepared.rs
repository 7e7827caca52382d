//! A large batch, encoded by its caller before it has a place: what others wait for is its numbers.

use std::collections::BTreeMap;

use super::group::Group;
use crate::log::{Batch, Partition};

/// Less than this is encoded right where it goes.
const WORTH_IT: usize = 16 << 10;

/// The records as a group of their own, each partition counted from 0.
pub(super) struct Prepared {
    group: Group,
    counts: BTreeMap<Partition, u64>,
}

impl Prepared {
    pub(super) fn of(batch: &Batch, weight: usize) -> Option<Self> {
        if weight < WORTH_IT {
            return None;
        }
        let is_one = batch.drafts.windows(2).all(|pair| pair[0].partition == pair[1].partition);
        let mut group = Group::expecting(if is_one { weight } else { 0 });
        let mut counts = BTreeMap::new();
        for draft in &batch.drafts {
            let count: &mut u64 = counts.entry(draft.partition).or_default();
            group.push(draft, *count);
            *count += 1;
        }
        group.sum();
        Some(Self { group, counts })
    }

    /// Puts it into `group`, now that all its records have sequences: those before `next`.
    pub(super) fn go_into(self, group: &mut Group, next: &BTreeMap<Partition, u64>) {
        let Self { group: ready, counts } = self;
        group.absorb(ready, |partition| next[&partition] - counts[&partition]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::envelope::{Envelopes, len_max};
    use crate::log::{CursorId, Draft, Durability};

    /// Records of three partitions, of lengths from nothing to more than a slice has.
    fn drafts(first: usize) -> Vec<Draft> {
        let draft = |number: usize| Draft {
            partition: Partition::new([0, 0, 1, 0, 2][number % 5]),
            wanted_by: [CursorId::from_number(number as u32 % 3)].into(),
            payload: vec![number as u8; [10, 300, 0, 5000, 1, 90_000][number % 6]].into(),
            ..Draft::default()
        };
        (first..first + 20).map(draft).collect()
    }

    /// What readers will find: of each partition the records in their order.
    fn read(group: &mut Group) -> Vec<(u32, u64, Vec<u8>)> {
        let mut found = Vec::new();
        for grown in group.finish(Vec::new()) {
            assert_eq!(grown.slice.sum, crc32fast::hash(&grown.bytes));
            assert_eq!(grown.slice.len as usize, grown.bytes.len());
            let envelopes = Envelopes::new(&grown.bytes, grown.slice.first).map(Result::unwrap);
            let before = found.len();
            found.extend(
                envelopes
                    .map(|envelope| (grown.slice.partition, envelope.sequence, envelope.payload.to_vec())),
            );
            assert_eq!(found.len() - before, grown.slice.count as usize);
            assert_eq!(found.last().map(|(_, last, _)| last + 1), Some(grown.slice.next));
        }
        found
    }

    #[test]
    fn it_is_as_if_each_record_had_been_added_alone() {
        let (mut one_by_one, mut prepared) = (Group::default(), Group::default());
        let mut next = BTreeMap::new();
        for batch in 0..6 {
            let drafts = drafts(batch * 20);
            for draft in &drafts {
                let next: &mut u64 = next.entry(draft.partition).or_insert(70);
                one_by_one.push(draft, *next);
                if batch % 3 == 2 {
                    prepared.push(draft, *next);
                }
                *next += 1;
            }
            if batch % 3 != 2 {
                let weight = drafts.iter().map(len_max).sum();
                let ready = Prepared::of(&Batch::new(drafts, Durability::Synced), weight).unwrap();
                ready.go_into(&mut prepared, &next);
            }
        }
        assert_eq!(prepared.wants, one_by_one.wants);
        let figures = |group: &Group| (group.records, group.record_bytes);
        assert_eq!(figures(&prepared), figures(&one_by_one));
        assert_eq!(read(&mut prepared), read(&mut one_by_one));
    }
}
