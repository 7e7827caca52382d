//! Cursors: made, told, forgotten.

use super::held::Held;
use super::state::State;
use crate::log::{
    Cursor, CursorError, CursorId, CursorKind, Misuse, NoSuchCursor, Progress, Sequence, Start, TooLarge,
};

impl State {
    pub(super) fn open_cursor(&mut self, name: &str, start: Start) -> Result<Cursor, CursorError> {
        if let Some(&number) = self.cursor_names.get(name) {
            if self.misbehaves(|weakness| weakness.forgotten) {
                self.forget(number);
            }
            let held = &self.cursors[&number];
            return Ok(held.shown());
        }
        self.make_cursor(name, start)
    }

    fn make_cursor(&mut self, name: &str, start: Start) -> Result<Cursor, CursorError> {
        let limits = &self.limits;
        let bounds = [
            ("a cursor's name", name.len(), limits.cursor_name_bytes_max),
            ("the number of cursors", self.cursors.len() + 1, limits.cursors_max),
        ];
        for (what, size, size_max) in bounds {
            if size > size_max {
                return Err(TooLarge { what, size: size as u64, size_max: size_max as u64 }.into());
            }
        }
        if start.kind == CursorKind::Wanted && !self.cursors_win() {
            let what = "a cursor by name in a log that does not keep what it wants".to_owned();
            return Err(Misuse { what }.into());
        }
        let may_forget = self.weakness.is_some();
        let there = self.partition(start.partition)?;
        let below = there.start(start.from).unwrap_or(there.next);
        let partition = start.partition.number();
        self.cursors_ever += 1;
        let number = self.cursors_ever;
        let held = Held::new(CursorId::from_number(number), name, (partition, start.kind), below, may_forget);
        let shown = held.shown();
        self.cursors.insert(number, held);
        self.cursor_names.insert(name.to_owned(), number);
        for sequence in self.wanted(number) {
            self.claim(partition, sequence);
        }
        Ok(shown)
    }

    pub(super) fn advance(&mut self, id: CursorId, progress: &Progress) -> Result<(), CursorError> {
        let settled_max = self.limits.settled_max;
        let held = self.cursors.get_mut(&id.number()).ok_or(NoSuchCursor { id })?;
        let partition = held.partition;
        let there = &self.partitions[&partition];
        let furthest = progress.settled.iter().copied().map(Sequence::next).fold(progress.below, Ord::max);
        if furthest.number() > there.next.max(held.place.below) {
            let what = format!("progress up to {furthest} where records end at {}", there.next);
            return Err(Misuse { what }.into());
        }
        let place = held.place.with(progress, settled_max)?;
        let mut released = Vec::new();
        if self.limits.winner == crate::log::Winner::Cursors {
            let below = there.records.range(held.place.below..place.below);
            let beyond = progress.settled.iter().map(|one| one.number()).filter(|&one| one >= place.below);
            let beyond = beyond.filter_map(|one| there.records.get_key_value(&one));
            let wanted = below.chain(beyond).filter(|(sequence, stored)| held.wants(**sequence, stored));
            released.extend(wanted.map(|(&sequence, _)| sequence));
            // A reader may name a record twice.
            released.sort_unstable();
            released.dedup();
        }
        held.move_to(place, progress, there.next);
        for sequence in released {
            self.release(partition, sequence);
        }
        Ok(())
    }

    pub(super) fn drop_cursor(&mut self, id: CursorId) -> Result<(), CursorError> {
        let number = id.number();
        let held = self.cursors.get(&number).ok_or(NoSuchCursor { id })?;
        let (partition, name) = (held.partition, held.name().to_owned());
        for sequence in self.wanted(number) {
            self.release(partition, sequence);
        }
        self.cursors.remove(&number);
        self.cursor_names.remove(&name);
        Ok(())
    }

    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.cursors.values().map(Held::shown).collect()
    }

    /// Brings a cursor back to where it was told durably: what it settled since is wanted again.
    fn forget(&mut self, number: u32) {
        let wanted = self.wanted(number);
        let Some(held) = self.cursors.get_mut(&number) else { return };
        let partition = held.partition;
        if held.forget().is_none() {
            return;
        }
        let before: std::collections::BTreeSet<u64> = wanted.into_iter().collect();
        for sequence in self.wanted(number) {
            if !before.contains(&sequence) {
                self.claim(partition, sequence);
            }
        }
    }

    /// The records that a cursor keeps from being removed.
    fn wanted(&self, number: u32) -> Vec<u64> {
        let Some(held) = self.cursors.get(&number).filter(|_| self.cursors_win()) else { return Vec::new() };
        let Some(there) = self.partitions.get(&held.partition) else { return Vec::new() };
        let beyond = there.records.range(held.place.below..);
        let wanted = beyond.filter(|(sequence, stored)| held.wants(**sequence, stored));
        wanted.map(|(&sequence, _)| sequence).collect()
    }
}
