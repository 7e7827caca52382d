//! What a log was asked and what it answered, and what must therefore be found.
//!
//! Every record carries its number, so that whatever is read can be told: who sent it, whether the
//! log took it, whether it is whole. The model outlives the log: [`Model::crashed`] lowers what may
//! be expected by what the crash may have cost, and `verify` compares.

mod cursors;
mod pages;
mod records;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skerry_model::Timestamp;
use skerry_store::log::{CursorId, Draft, Durability, Outcome, Partition, Placed, Sequence, Winner};

pub(crate) use cursors::{Told, Wants};
pub(crate) use records::{Id, Sent};
pub(crate) use verify::PARTITIONS;

use super::disk::{Cut, Disk};
use super::world::Ticking;
use crate::samples::Dice;

#[derive(Clone)]
pub(crate) struct Model {
    winner: Winner,
    /// The cap of the log, for judging what retention took.
    bytes_max: u64,
    sent: Vec<Sent>,
    /// What each sequence was ever answered or shown to hold.
    places: BTreeMap<(Partition, Sequence), Id>,
    lines: BTreeMap<Partition, Line>,
    cursors: BTreeMap<CursorId, Told>,
    /// Names of cursors that were asked for, answered or not.
    asked_for: BTreeSet<String>,
    /// Bytes of all records that were placed.
    placed_bytes: u64,
    /// Where the disk does not give back what it took, the log may say so.
    pub(crate) damage: Damage,
    /// The least age at which records went in this life or an earlier one, and the latest time.
    age_max: Option<Duration>,
    latest: Timestamp,
    clock: Option<Arc<Ticking>>,
    /// When it stops, what is still answered is heard by nobody.
    pub(crate) disk: Option<Disk>,
    /// The first thing that cannot be right.
    wrong: Option<String>,
}

/// What is known of a partition.
#[derive(Clone, Debug, Default)]
struct Line {
    /// The largest sequence that was ever answered or shown.
    newest: Option<Sequence>,
    /// What lies before it has been read by somebody who saw all there was.
    scanned: Sequence,
    /// The most that anybody asked to trim; it may be gone.
    trimmed: Sequence,
    /// What was trimmed in this process must not be read.
    hidden: Sequence,
}

/// What a bad disk may cost, if the log tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    None,
    /// Syncs failed, so what was only written may be lost.
    Unsynced,
}

/// The largest sequences when something began; what begins later comes after them.
pub(crate) type Floor = BTreeMap<Partition, Sequence>;

impl Model {
    pub(crate) fn new(winner: Winner, bytes_max: u64) -> Self {
        Self {
            winner,
            bytes_max,
            sent: Vec::new(),
            places: BTreeMap::new(),
            lines: BTreeMap::new(),
            cursors: BTreeMap::new(),
            asked_for: BTreeSet::new(),
            placed_bytes: 0,
            damage: Damage::None,
            age_max: None,
            latest: Timestamp::NEVER,
            clock: None,
            disk: None,
            wrong: None,
        }
    }

    pub(crate) fn outcome(&self) -> Result<(), String> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn complain(&mut self, wrong: String) {
        if !self.is_gone() {
            self.wrong.get_or_insert(wrong);
        }
    }

    /// The machine is gone, and nobody heard what the log still said of what it could not read any more.
    fn is_gone(&self) -> bool {
        self.disk.as_ref().is_some_and(Disk::is_stopped)
    }

    /// The log is opened with this bound on age and this clock.
    pub(crate) fn age(&mut self, age_max: Option<Duration>, clock: Arc<Ticking>) {
        self.look_at_the_clock();
        self.age_max = self.age_max.or(age_max);
        self.clock = Some(clock);
    }

    fn look_at_the_clock(&mut self) {
        self.latest = self.latest.max(self.clock.as_ref().map_or(Timestamp::NEVER, |clock| clock.peek()));
    }

    /// A new record, not sent yet.
    pub(crate) fn record(&mut self, make: impl FnOnce(Id) -> Sent) -> Id {
        self.sent.push(make(self.sent.len()));
        self.sent.len() - 1
    }

    pub(crate) fn sent(&self, id: Id) -> &Sent {
        &self.sent[id]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn floor(&self) -> Floor {
        self.lines.iter().filter_map(|(partition, line)| Some((*partition, line.newest?))).collect()
    }

    /// Another try at placing a record begins.
    pub(crate) fn try_to_place(&mut self, id: Id) -> Draft {
        let sent = &mut self.sent[id];
        sent.tries += 1;
        let is_dropped = |id| self.cursors.get(id).is_some_and(|told| told.is_dropped);
        if sent.wanted_by.iter().any(is_dropped) {
            sent.wanted_by = sent.wanted_by.iter().filter(|id| !is_dropped(id)).copied().collect();
        }
        sent.draft()
    }

    pub(crate) fn answered(&mut self, id: Id, durability: Durability, floor: &Floor, outcome: &Outcome) {
        self.sent[id].tries -= 1;
        let sent = &self.sent[id];
        match outcome {
            Ok(Placed::At { sequence, time }) => {
                if sent.is_there() {
                    self.complain(format!("{id} was there and was placed again at {sequence}: {sent:?}"));
                } else if floor.get(&sent.partition).is_some_and(|floor| sequence <= floor) {
                    self.complain(format!("{id} got {sequence} after {floor:?} was seen"));
                }
                let sent = &mut self.sent[id];
                if sent.is_retired {
                    // So the earlier try had not been removed: it was lost, or it never was.
                    (sent.is_retired, sent.at) = (false, None);
                }
                self.place(id, *sequence, *time, "answered");
                self.acknowledge(id, durability);
            }
            Ok(Placed::Already) => {
                if sent.name.is_none() || !sent.may_be_there() {
                    self.complain(format!("{id} is said to be there already: {sent:?}"));
                }
                self.acknowledge(id, durability);
            }
            Err(error) => {
                use skerry_store::log::AppendError as E;
                let sent = &mut self.sent[id];
                if *error == E::Unknown {
                    (sent.is_unsure, sent.is_unanswered) = (true, true);
                }
                // Its cursor may have been dropped meanwhile.
                let is_expected = matches!(error, E::Broken(_) | E::NoSuchCursor(_));
                if !error.is_worth_a_retry() && !is_expected {
                    self.complain(format!("{id} was refused: {error}"));
                }
            }
        }
    }

    /// It is placed, and whoever sent it has not waited to hear where.
    pub(crate) fn seen_early(&mut self, id: Id) {
        let sent = &mut self.sent[id];
        if sent.at.is_none() && !sent.is_counted {
            self.placed_bytes += sent.bytes();
            (sent.placed_bytes, sent.is_counted) = (self.placed_bytes, true);
        }
    }

    fn acknowledge(&mut self, id: Id, durability: Durability) {
        let sent = &mut self.sent[id];
        sent.acked = sent.acked.max(Some(durability));
        (sent.is_unsure, sent.is_unanswered) = (false, false);
    }

    /// What lies before `before` may go from now on.
    pub(crate) fn trimming(&mut self, partition: Partition, before: Sequence) {
        let line = self.lines.entry(partition).or_default();
        line.trimmed = line.trimmed.max(before);
    }

    /// It must not be read again by this process.
    pub(crate) fn trimmed(&mut self, partition: Partition, before: Sequence) {
        let line = self.lines.entry(partition).or_default();
        line.hidden = line.hidden.max(before);
    }

    /// The log was closed: whoever closes it waits for everything to be durable.
    pub(crate) fn closed(&mut self) {
        for sent in self.sent.iter_mut().filter(|sent| sent.is_there()) {
            sent.acked = Some(Durability::Synced);
        }
        self.cursors.values_mut().for_each(Told::closed);
    }

    /// What was answered holds only as far as it survives this.
    pub(crate) fn crashed(&mut self, cut: Cut) {
        let kept = if cut.is_power_cut() { Durability::Synced } else { Durability::Written };
        for sent in &mut self.sent {
            sent.is_unsure |= sent.tries > 0 || sent.acked.is_some_and(|acked| acked < kept);
            sent.is_unanswered |= sent.tries > 0 && sent.acked.is_none();
            sent.tries = 0;
            sent.acked = sent.acked.filter(|acked| *acked >= kept);
        }
        for line in self.lines.values_mut() {
            line.hidden = Sequence::ZERO;
        }
        for told in self.cursors.values_mut() {
            told.crashed(kept);
        }
    }

    /// Its sender has something else to do.
    pub(crate) fn give_up(&mut self, id: Id) {
        self.sent[id].is_unanswered = false;
    }

    /// A record of those sent, by chance.
    pub(crate) fn any(&self, dice: &mut Dice) -> Option<Id> {
        (!self.sent.is_empty()).then(|| dice.roll(self.sent.len()))
    }
}
