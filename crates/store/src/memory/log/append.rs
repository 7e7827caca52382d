//! Adding records: each is judged alone, in the order of the drafts.

use skerry_model::Timestamp;

use super::partition::{Stored, cost};
use super::state::State;
use crate::log::{
    AppendError, Batch, CursorKind, Draft, Misuse, NoSuchCursor, Outcome, Placed, Sequence, TooLarge,
};

impl State {
    pub(super) fn append(&mut self, batch: &Batch, now: Timestamp) -> Vec<Outcome> {
        self.remove_aged(now);
        self.figures.groups += 1;
        let order = batch.order.as_ref();
        let too_large = self.measured(batch).err();
        let mut full = false;
        let mut outcomes = Vec::with_capacity(batch.drafts.len());
        for draft in &batch.drafts {
            let outcome = match &too_large {
                _ if order.is_some_and(crate::log::Order::is_broken) => Err(AppendError::AfterFailure),
                Some(too_large) => Err(too_large.clone().into()),
                None => self.append_one(draft, now),
            };
            full |= matches!(outcome, Err(AppendError::Full(_)));
            if let (Err(_), Some(order)) = (&outcome, order) {
                order.break_off();
            }
            outcomes.push(outcome);
        }
        self.figures.full += u64::from(full);
        outcomes
    }

    fn measured(&self, batch: &Batch) -> Result<(), TooLarge> {
        let limits = &self.limits;
        let bytes = batch.drafts.iter().map(|draft| draft.headers.len() + draft.payload.len()).sum();
        within("a batch's number of records", batch.drafts.len(), limits.batch_records_max)?;
        within("a batch's bytes", bytes, limits.batch_bytes_max)
    }

    fn append_one(&mut self, draft: &Draft, now: Timestamp) -> Outcome {
        self.partition(draft.partition)?;
        within("a record's bytes", draft.headers.len() + draft.payload.len(), self.limits.record_bytes_max)?;
        within("a record's number of cursors", draft.wanted_by.len(), self.limits.wanted_by_max)?;
        // Before anything that may change between tries: a repetition is one even when the log is full.
        if let Some(name) = draft.name
            && self.names.look_up(name).verdict(name)?
        {
            self.figures.repetitions += 1;
            return Ok(Placed::Already);
        }
        self.check_wanted(draft)?;
        self.make_room(cost(draft))?;
        if self.misbehaves(|weakness| weakness.unknown) {
            if self.dice.chance(50) {
                self.place(draft, now);
            }
            return Err(AppendError::Unknown);
        }
        Ok(self.place(draft, now))
    }

    fn check_wanted(&self, draft: &Draft) -> Result<(), AppendError> {
        if !draft.wanted_by.is_empty() && !self.cursors_win() {
            let what = "a record names cursors in a log that does not keep what they want".to_owned();
            return Err(Misuse { what }.into());
        }
        for &id in draft.wanted_by.iter() {
            let held = self.cursors.get(&id.number()).ok_or(NoSuchCursor { id })?;
            if held.kind != CursorKind::Wanted || held.partition != draft.partition.number() {
                let what = format!("cursor {} does not read by name in the record's partition", id.number());
                return Err(Misuse { what }.into());
            }
        }
        Ok(())
    }

    fn place(&mut self, draft: &Draft, now: Timestamp) -> Placed {
        self.arrivals += 1;
        self.newest = self.newest.max(now);
        let (number, arrival, time) = (draft.partition.number(), self.arrivals, self.newest);
        let gap = if self.misbehaves(|weakness| weakness.gap) { 1 + self.dice.up_to(2) } else { 0 };
        let there = self.partitions.entry(number).or_default();
        there.next += gap;
        let mut stored = Stored::new(draft, arrival, time);
        if self.limits.winner == crate::log::Winner::Cursors {
            for held in self.cursors.values_mut().filter(|held| held.partition == number) {
                if held.wants(there.next, &stored) {
                    held.count(&stored);
                    stored.wanting += 1;
                }
            }
        }
        let (bytes, data_bytes, loose) = (stored.bytes(), stored.data_bytes(), stored.wanting == 0);
        let sequence = there.place(stored);
        self.bytes += bytes;
        if loose {
            self.loose.insert(arrival, (number, sequence));
            self.loose_bytes += bytes;
        }
        if let Some(name) = draft.name {
            self.names.place(name);
        }
        self.figures.records += 1;
        self.figures.record_bytes += data_bytes;
        Placed::At { sequence: Sequence::from_number(sequence), time }
    }
}

fn within(what: &'static str, size: usize, max: usize) -> Result<(), TooLarge> {
    if size > max {
        return Err(TooLarge { what, size: size as u64, size_max: max as u64 });
    }
    Ok(())
}
