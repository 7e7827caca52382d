//! What goes, and why: age, room, trimming.

use skerry_model::Timestamp;

use super::state::State;
use crate::log::{Full, Misuse};

impl State {
    /// Makes room for a record, or says why there is none. Nothing goes when that would not do.
    pub(super) fn make_room(&mut self, needed: u64) -> Result<(), Full> {
        let bytes_max = self.limits.bytes_max;
        if self.bytes.saturating_add(needed) <= bytes_max {
            return Ok(());
        }
        if (self.bytes - self.loose_bytes).saturating_add(needed) > bytes_max {
            return Err(Full::Cap { bytes: self.bytes, bytes_max });
        }
        while self.bytes + needed > bytes_max {
            let Some(freed) = self.remove_oldest() else { break };
            let settled = self.cursors_win();
            let figures = &mut self.figures;
            *(if settled {
                &mut figures.removed_settled_bytes
            } else {
                &mut figures.removed_by_cap_bytes
            }) += freed;
        }
        self.keep_places();
        Ok(())
    }

    pub(super) fn remove_aged(&mut self, now: Timestamp) {
        let Some(age_max) = self.limits.age_max else { return };
        let mut removed = false;
        while let Some((_, (partition, sequence))) = self.loose.first_key_value() {
            let stored = self.partitions.get(partition).and_then(|there| there.records.get(sequence));
            if stored.is_some_and(|stored| now.since(stored.time) <= age_max) {
                break;
            }
            self.figures.removed_by_age_bytes += self.remove_oldest().unwrap_or_default();
            removed = true;
        }
        if removed {
            self.keep_places();
        }
    }

    /// Removes everything before `before`, wanted or not: the caller says that nobody will ask.
    pub(super) fn trim(&mut self, partition: crate::log::Partition, before: u64) -> Result<(), Misuse> {
        let number = partition.number();
        let there = self.partition(partition)?;
        there.trimmed = there.trimmed.max(before.min(there.next));
        while let Some((&sequence, stored)) = self.partitions[&number].records.first_key_value() {
            if sequence >= before {
                break;
            }
            if stored.wanting > 0 {
                let bytes = stored.data_bytes();
                for held in self.cursors.values_mut().filter(|held| held.partition == number) {
                    if held.wants(sequence, stored) {
                        held.uncount(1, bytes);
                    }
                }
            }
            self.remove(number, sequence);
        }
        self.keep_places();
        Ok(())
    }

    fn remove_oldest(&mut self) -> Option<u64> {
        let (_, &(partition, sequence)) = self.loose.first_key_value()?;
        Some(self.remove(partition, sequence))
    }

    fn remove(&mut self, partition: u32, sequence: u64) -> u64 {
        let there = self.partitions.get_mut(&partition);
        let Some(stored) = there.and_then(|there| there.remove(sequence)) else { return 0 };
        let bytes = stored.bytes();
        self.bytes -= bytes;
        if self.loose.remove(&stored.arrival).is_some() {
            self.loose_bytes -= bytes;
        }
        bytes
    }

    /// What was removed because it was settled must stay settled: positions are durable first.
    fn keep_places(&mut self) {
        if self.weakness.is_some() {
            self.cursors.values_mut().for_each(super::held::Held::keep);
        }
    }

    /// One cursor less wants it.
    pub(super) fn release(&mut self, partition: u32, sequence: u64) {
        let there = self.partitions.get_mut(&partition);
        let Some(stored) = there.and_then(|there| there.records.get_mut(&sequence)) else { return };
        stored.wanting -= 1;
        if stored.wanting == 0 {
            self.loose.insert(stored.arrival, (partition, sequence));
            self.loose_bytes += stored.bytes();
        }
    }

    /// One cursor more wants it.
    pub(super) fn claim(&mut self, partition: u32, sequence: u64) {
        let there = self.partitions.get_mut(&partition);
        let Some(stored) = there.and_then(|there| there.records.get_mut(&sequence)) else { return };
        stored.wanting += 1;
        if self.loose.remove(&stored.arrival).is_some() {
            self.loose_bytes -= stored.bytes();
        }
    }
}
