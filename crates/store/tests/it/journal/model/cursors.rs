//! What each cursor was told.

use std::collections::BTreeSet;

use skerry_store::log::{
    Cursor, CursorError, CursorId, CursorKind, Durability, Page, Partition, Progress, Sequence, Winner,
};

use super::{Id, Model, Sent};

/// A position and what is settled beyond it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    pub(crate) below: Sequence,
    beyond: BTreeSet<Sequence>,
}

impl Settled {
    pub(crate) fn has(&self, sequence: Sequence) -> bool {
        sequence < self.below || self.beyond.contains(&sequence)
    }

    fn add(&mut self, below: Sequence, settled: impl IntoIterator<Item = Sequence>) {
        self.below = self.below.max(below);
        self.beyond.extend(settled);
    }
}

/// Which records a cursor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) id: CursorId,
    pub(crate) partition: Partition,
    pub(crate) kind: CursorKind,
}

#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) wants: Wants,
    /// Everything that was ever told, answered or not.
    pub(crate) tried: Settled,
    /// What must come back after the process died, and after a power cut.
    written: Settled,
    synced: Settled,
    /// What the log has, as far as this process knows.
    pub(crate) now: Settled,
    /// What nobody wanted when it was made; that may have been gone by then.
    unwanted: BTreeSet<Id>,
    /// A crash took some of what was settled with less than `Synced`, while the records are gone
    /// for good: then it counts them as left.
    is_set_back: bool,
    /// Somebody asked to drop it: it may be there or not.
    pub(crate) is_dropped: bool,
}

impl Told {
    fn reads(&self, sent: &Sent) -> bool {
        match self.wants.kind {
            CursorKind::Every => sent.partition == self.wants.partition,
            CursorKind::Wanted => sent.wanted_by.contains(&self.wants.id),
        }
    }

    pub(super) fn closed(&mut self) {
        (self.written, self.synced) = (self.now.clone(), self.now.clone());
    }

    pub(super) fn crashed(&mut self, kept: Durability) {
        if kept == Durability::Synced {
            self.written = self.synced.clone();
        }
    }
}

impl Model {
    /// Cursors that nobody asked to drop.
    fn wanted(&self) -> impl Iterator<Item = &Told> {
        self.cursors.values().filter(|told| !told.is_dropped)
    }

    pub(crate) fn wanting(&self) -> Vec<Wants> {
        self.wanted().map(|told| told.wants).collect()
    }

    pub(crate) fn told(&self, id: CursorId) -> &Told {
        &self.cursors[&id]
    }

    pub(crate) fn was_dropped(&self, name: &str) -> bool {
        self.cursors.values().any(|told| told.is_dropped && told.name == name)
    }

    pub(crate) fn asking_for(&mut self, name: &str) {
        self.asked_for.insert(name.to_owned());
    }

    /// A cursor was asked for by name, and this was the answer.
    pub(crate) fn opened(&mut self, name: &str, kind: CursorKind, cursor: &Cursor) {
        let wants = Wants { id: cursor.id, partition: cursor.partition, kind };
        if let Some(told) = self.cursors.get_mut(&cursor.id) {
            if told.name != name || told.wants != wants || told.is_dropped {
                let wrong = format!("{told:?} came for {name}: {cursor:?}");
                self.complain(wrong);
            }
            return;
        }
        let same = self.wanted().find(|told| told.name == name).cloned();
        if let Some(told) = same {
            let wrong = format!("{name} was {told:?} and is a new one: {cursor:?}");
            self.complain(wrong);
        }
        let mut settled = Settled::default();
        settled.add(cursor.below, cursor.settled.iter().copied());
        let [tried, written, synced] = [settled.clone(), settled.clone(), settled.clone()];
        let name = name.to_owned();
        let told = Told {
            name,
            wants,
            tried,
            written,
            synced,
            now: settled,
            unwanted: (0..self.sent.len()).filter(|id| !self.is_wanted(*id)).collect(),
            is_set_back: false,
            is_dropped: false,
        };
        self.cursors.insert(cursor.id, told);
    }

    /// A page that was read for a cursor: whatever it passes over, the cursor does not want.
    pub(crate) fn shown_to(&mut self, id: CursorId, from: Sequence, page: &Page) {
        let told = &self.cursors[&id];
        self.shown(told.wants.partition, Some(from), page);
        let told = &self.cursors[&id];
        let missing = self.sent.iter().enumerate().find(|(id, sent)| {
            let at = sent.sequence().filter(|at| from <= *at && *at < page.next && !told.now.has(*at));
            let is_wanted = self.is_wanted_by(*id, told) && sent.is_there() && !sent.is_retired;
            let is_shown = |at| page.records.iter().any(|record| record.sequence == at);
            let is_told = |at| page.lost.iter().any(|lost| lost.from <= at && at < lost.to);
            is_wanted && at.is_some_and(|at| !is_shown(at) && !is_told(at))
        });
        if let Some((_, sent)) = missing.filter(|_| self.winner == Winner::Cursors) {
            let wrong = format!("{sent:?} is missing from {from} to {}, read for {told:?}", page.next);
            self.complain(wrong);
        }
    }

    /// Somebody is about to tell it, if there still is anybody.
    pub(crate) fn telling(&mut self, id: CursorId, progress: &Progress) {
        let is_gone = self.is_gone();
        let told = self.cursors.get_mut(&id).unwrap();
        told.tried.add(progress.below, progress.settled.iter().copied());
        if !is_gone {
            told.now.add(progress.below, progress.settled.iter().copied());
        }
    }

    pub(crate) fn told_so(&mut self, id: CursorId, progress: &Progress, answer: &Result<(), CursorError>) {
        let told = self.cursors.get_mut(&id).unwrap();
        match answer {
            Ok(()) => {
                let settled = || progress.settled.iter().copied();
                if progress.durability >= Durability::Written {
                    told.written.add(progress.below, settled());
                }
                if progress.durability >= Durability::Synced {
                    told.synced.add(progress.below, settled());
                }
            }
            Err(
                CursorError::Full(_) | CursorError::Busy(_) | CursorError::Broken(_) | CursorError::Closed,
            ) => {}
            Err(error) => self.complain(format!("{id:?} was refused {progress:?}: {error}")),
        }
    }

    pub(crate) fn dropping(&mut self, id: CursorId) {
        self.cursors.get_mut(&id).unwrap().is_dropped = true;
    }

    /// Some cursor has not settled the record; what nobody has seen, nobody has settled.
    pub(crate) fn is_wanted(&self, id: Id) -> bool {
        self.winner == Winner::Cursors && self.wanted().any(|told| self.is_wanted_by(id, told))
    }

    pub(super) fn who_wants(&self, id: Id) -> Vec<&Told> {
        self.wanted().filter(|told| self.is_wanted_by(id, told)).collect()
    }

    fn is_wanted_by(&self, id: Id, told: &Told) -> bool {
        let sent = &self.sent[id];
        let may_be_gone = told.unwanted.contains(&id);
        !may_be_gone && told.reads(sent) && sent.sequence().is_none_or(|sequence| !told.tried.has(sequence))
    }

    /// Nobody settled the record before it was seen, as whoever reads up to a place and settles
    /// all of it does when a page passes over something.
    pub(super) fn check_not_passed(&mut self, id: Id, sequence: Sequence) {
        let wanted_by = self.sent[id].wanted_by.clone();
        let passed = self.wanted().find(|told| wanted_by.contains(&told.wants.id) && told.now.has(sequence));
        if let Some(wrong) = passed.map(|told| format!("{id} at {sequence} was passed over by {told:?}")) {
            self.complain(wrong);
        }
    }

    /// What the log says of its cursors after it was opened, `present` being all its records.
    pub(super) fn check_cursors(&mut self, found: &[Cursor], present: &BTreeSet<Id>) {
        if self.is_gone() {
            return;
        }
        for cursor in found {
            if let Some(told) = self.cursors.get_mut(&cursor.id) {
                told.now = Settled::default();
                told.now.add(cursor.below, cursor.settled.iter().copied());
                let is_set_back = self.is_set_back(&self.cursors[&cursor.id]);
                self.cursors.get_mut(&cursor.id).unwrap().is_set_back |= is_set_back;
            } else if !self.asked_for.contains(&cursor.name) {
                self.complain(format!("nobody made {cursor:?}"));
            }
        }
        let wrongs: Vec<String> =
            self.wanted().filter_map(|told| self.compare(told, found, present).err()).collect();
        wrongs.into_iter().for_each(|wrong| self.complain(wrong));
    }

    fn compare(&self, told: &Told, found: &[Cursor], present: &BTreeSet<Id>) -> Result<(), String> {
        let Some(cursor) = found.iter().find(|cursor| cursor.id == told.wants.id) else {
            return Err(format!("cursor {told:?} is gone"));
        };
        let wants = Wants { id: cursor.id, partition: cursor.partition, kind: cursor.kind };
        if (&cursor.name, wants) != (&told.name, told.wants) {
            return Err(format!("{told:?} is now {cursor:?}"));
        }
        if cursor.settled.iter().any(|settled| *settled < cursor.below) || !cursor.settled.is_sorted() {
            return Err(format!("its settled records are out of order: {cursor:?}"));
        }
        let mut settled = Settled::default();
        settled.add(cursor.below, cursor.settled.iter().copied());
        let (mut records, mut bytes) = (0, 0);
        for id in present {
            let sent = &self.sent[*id];
            let sequence = sent.sequence().unwrap();
            if sent.partition != told.wants.partition {
                continue;
            }
            let wanted = told.wants.kind == CursorKind::Every || sent.wanted_by.contains(&told.wants.id);
            if wanted && settled.has(sequence) && !told.tried.has(sequence) {
                return Err(format!("{sequence} was never settled, yet {cursor:?} skips it"));
            }
            if told.written.has(sequence) && !settled.has(sequence) {
                return Err(format!("{sequence} was settled for good, yet {cursor:?} wants it"));
            }
            if sent.wanted_by.contains(&told.wants.id) && !settled.has(sequence) {
                (records, bytes) = (records + 1, bytes + sent.bytes());
            }
        }
        let is_less = cursor.records < records || cursor.bytes < bytes;
        let is_right = (cursor.records, cursor.bytes) == (records, bytes);
        if told.wants.kind == CursorKind::Wanted && (is_less || !is_right && !told.is_set_back) {
            return Err(format!("{records} records of {bytes} bytes are left, not what {cursor:?} says"));
        }
        Ok(())
    }

    /// Whether the cursor forgot that something was settled.
    fn is_set_back(&self, told: &Told) -> bool {
        let wants = |sent: &&Sent| sent.wanted_by.contains(&told.wants.id);
        let sequences = self.sent.iter().filter(wants).filter_map(Sent::sequence);
        let mut forgotten = sequences.filter(|at| told.tried.has(*at) && !told.now.has(*at));
        forgotten.next().is_some()
    }
}
