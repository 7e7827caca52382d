//! Everything the log knows, changed by one caller at a time.

use std::collections::{BTreeMap, HashMap};

use skerry_model::Timestamp;

use super::held::Held;
use super::partition::{Frame, Partition};
use super::weakness::LogWeakness;
use crate::log::{Extent, Figures, Limits, Misuse, Names, Page, Reading, Winner};
use crate::memory::Dice;

pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) weakness: Option<LogWeakness>,
    pub(super) dice: Dice,
    pub(super) partitions: BTreeMap<u32, Partition>,
    pub(super) cursors: BTreeMap<u32, Held>,
    pub(super) cursor_names: HashMap<String, u32>,
    pub(super) cursors_ever: u32,
    pub(super) names: Names,
    pub(super) arrivals: u64,
    pub(super) newest: Timestamp,
    pub(super) bytes: u64,
    /// What may be removed, by arrival: partition and sequence. Where retention wins that is
    /// everything, where cursors win what none of them wants.
    pub(super) loose: BTreeMap<u64, (u32, u64)>,
    pub(super) loose_bytes: u64,
    pub(super) figures: Figures,
}

impl State {
    pub(super) fn new(mut limits: Limits, weakness: Option<LogWeakness>) -> Self {
        limits.page_records_max = limits.page_records_max.max(1);
        limits.partitions_max = limits.partitions_max.max(1);
        Self {
            names: Names::new(limits.producers_max),
            dice: Dice::new(weakness.map_or(0, |weakness| weakness.seed)),
            limits,
            weakness,
            partitions: BTreeMap::new(),
            cursors: BTreeMap::new(),
            cursor_names: HashMap::new(),
            cursors_ever: 0,
            arrivals: 0,
            newest: Timestamp::NEVER,
            bytes: 0,
            loose: BTreeMap::new(),
            loose_bytes: 0,
            figures: Figures::default(),
        }
    }

    /// Tosses for one of the weaknesses; a strong log has none.
    pub(super) fn misbehaves(&mut self, chance: impl FnOnce(&LogWeakness) -> u64) -> bool {
        self.weakness.is_some_and(|weakness| self.dice.chance(chance(&weakness)))
    }

    pub(super) fn cursors_win(&self) -> bool {
        self.limits.winner == Winner::Cursors
    }

    pub(super) fn partition(&mut self, partition: crate::log::Partition) -> Result<&mut Partition, Misuse> {
        let (number, max) = (partition.number(), self.limits.partitions_max);
        if number >= max {
            return Err(Misuse { what: format!("partition {number} of a log that has {max}") });
        }
        Ok(self.partitions.entry(number).or_default())
    }

    pub(super) fn extent(
        &mut self,
        partition: crate::log::Partition,
        now: Timestamp,
    ) -> Result<Extent, Misuse> {
        self.remove_aged(now);
        Ok(self.partition(partition)?.extent())
    }

    /// The page, and whether there may be more behind it now.
    pub(super) fn page(&mut self, reading: &Reading, now: Timestamp) -> Result<(Page, bool), Misuse> {
        self.remove_aged(now);
        let mut records_max = reading.records_max.min(self.limits.page_records_max);
        if self.misbehaves(|weakness| weakness.small_page) {
            records_max = self.dice.up_to(records_max as u64) as usize;
        }
        let late = self.misbehaves(|weakness| weakness.late).then(|| self.dice.roll());
        let bytes_max = reading.bytes_max.min(self.limits.page_bytes_max) as u64;
        let examined_max = self.limits.page_records_max;
        let partition = self.partition(reading.partition)?;
        let next = partition.next;
        let start = partition.start(reading.from).unwrap_or(next);
        let end = match late {
            Some(toss) if start < next => start + toss % (next - start + 1),
            _ => next,
        };
        let frame = Frame { start, end, wanted_by: reading.wanted_by, records_max, bytes_max, examined_max };
        let page = partition.page(&frame);
        self.figures.reads += page.records.len() as u64;
        let more = page.next.number() < next;
        Ok((page, more))
    }

    pub(super) fn figures(&self) -> Figures {
        Figures { disk_bytes: self.bytes, ..self.figures }
    }
}
