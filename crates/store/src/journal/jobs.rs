//! What groups carry beside records: cursors made, moved and dropped, partitions trimmed.
//!
//! A job changes the ledger at once and leaves a note in its group. When the group finds no room,
//! what moved stays moved in this process and its note is late: the next group carries it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::oneshot;

use super::group::{Group, Job};
use super::ledger::{CursorLedger, Ledger};
use super::note::Note;
use super::shared::Shared;
use super::writer::Writer;
use crate::log::{
    AppendError, Cursor, CursorError, CursorId, CursorKind, From, Misuse, NoSuchCursor, Progress, Sequence,
    Start, TooLarge, Winner,
};

/// Who waits.
type Answer<T> = oneshot::Sender<Result<T, CursorError>>;

/// The jobs of a group, done, with the answers that wait for the disk.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) notes: Vec<u8>,
    answers: Vec<(Answer<()>, Result<(), CursorError>)>,
    opened: Vec<(CursorId, bool, Answer<Cursor>)>,
    moved: Vec<CursorId>,
}

/// Cursors whose standing is not in the files yet.
#[derive(Default)]
pub(super) struct Late(BTreeSet<CursorId>);

impl Job {
    pub(super) fn refuse(self, error: &AppendError) {
        let error = match error {
            AppendError::Full(full) => CursorError::Full(full.clone()),
            AppendError::Broken(broken) => CursorError::Broken(broken.clone()),
            AppendError::Busy(busy) => CursorError::Busy(busy.clone()),
            _ => CursorError::Closed,
        };
        match self {
            Self::Open { answer, .. } => drop(answer.send(Err(error))),
            Self::Advance { answer, .. } | Self::Drop { answer, .. } | Self::Trim { answer, .. } => {
                drop(answer.send(Err(error)));
            }
        }
    }
}

impl Writer {
    /// Does the group's jobs in the ledger.
    pub(super) fn carry_out(&mut self, group: &mut Group) -> Asked {
        let mut asked = Asked::default();
        if group.jobs.is_empty() {
            return asked;
        }
        let oldest = self.oldest_start();
        let shared = &self.shared;
        let limits = &shared.options.limits;
        // Files are not rewritten between the look at what is there and the cursor that wants it.
        let _removing = shared.removing();
        let mut ledger = shared.ledger();
        for job in group.jobs.drain(..) {
            match job {
                Job::Open { name, start, answer } => {
                    let known = ledger.cursors.iter().find(|(_, cursor)| cursor.name == name);
                    if let Some((id, _)) = known {
                        asked.opened.push((*id, false, answer));
                        continue;
                    }
                    if let Err(error) = allowed(&name, start, &ledger, limits) {
                        drop(answer.send(Err(error)));
                        continue;
                    }
                    let id = CursorId::from_number(ledger.next_cursor);
                    let cursor = begun(name, start, &ledger, &oldest);
                    let note = Note::Cursor(cursor.stand(id));
                    note.encode(&mut asked.notes);
                    ledger.apply(note);
                    asked.opened.push((id, true, answer));
                }
                Job::Advance { id, progress, answer } => {
                    let outcome = advance(&mut ledger, id, &progress, limits.settled_max);
                    let outcome = outcome.map(|note| {
                        note.encode(&mut asked.notes);
                        ledger.apply(note);
                        asked.moved.push(id);
                    });
                    asked.answers.push((answer, outcome));
                }
                Job::Drop { id, answer } => {
                    let outcome = match ledger.cursors.contains_key(&id) {
                        true => {
                            let note = Note::Drop(id);
                            note.encode(&mut asked.notes);
                            ledger.apply(note);
                            shared.intake.forget(id);
                            asked.moved.push(id);
                            Ok(())
                        }
                        false => Err(NoSuchCursor { id }.into()),
                    };
                    asked.answers.push((answer, outcome));
                }
                Job::Trim { partition, before, answer } => {
                    let next = ledger.partitions.get(&partition).map_or(0, |known| known.next);
                    let before = before.number().min(next);
                    let note = Note::Trim { partition, before };
                    note.encode(&mut asked.notes);
                    ledger.apply(note);
                    if let Some(gate) = shared.gate(partition) {
                        gate.first.fetch_max(before, SeqCst);
                    }
                    asked.answers.push((answer, Ok(())));
                }
            }
        }
        asked
    }

    /// The first sequence of each partition in the oldest file.
    fn oldest_start(&self) -> Vec<(u32, u64)> {
        let oldest = self.shared.catalog.oldest();
        let head = oldest.and_then(|oldest| oldest.head(&*self.shared.options.files).ok().flatten());
        head.map(|head| head.starts.clone()).unwrap_or_default()
    }
}

impl Asked {
    /// Tells everybody, now that the group is done with.
    pub(super) fn answer(self, shared: &Shared, fate: Result<(), &CursorError>) {
        for (answer, outcome) in self.answers {
            drop(answer.send(outcome.and(fate.map_err(Clone::clone))));
        }
        let mut ledger = shared.ledger();
        for (id, is_new, answer) in self.opened {
            if let (Err(error), true) = (fate, is_new) {
                ledger.cursors.remove(&id);
                drop(answer.send(Err(error.clone())));
                continue;
            }
            let cursor = ledger.cursors.get(&id).map(|cursor| cursor.show(id));
            cursor.iter().for_each(|cursor| shared.intake.know(cursor));
            drop(answer.send(cursor.ok_or(NoSuchCursor { id }.into())));
        }
    }
}

impl Late {
    pub(super) fn note(&mut self, asked: &Asked) {
        self.0.extend(&asked.moved);
    }

    pub(super) fn encode(&self, ledger: &Ledger, notes: &mut Vec<u8>) {
        for id in &self.0 {
            match ledger.cursors.get(id) {
                Some(cursor) => Note::Cursor(cursor.stand(*id)).encode(notes),
                None => Note::Drop(*id).encode(notes),
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn allowed(
    name: &str,
    start: Start,
    ledger: &Ledger,
    limits: &crate::log::Limits,
) -> Result<(), CursorError> {
    let too_large = |what, size: usize, size_max: usize| match size > size_max {
        true => Err(TooLarge { what, size: size as u64, size_max: size_max as u64 }),
        false => Ok(()),
    };
    too_large("a cursor's name (bytes)", name.len(), limits.cursor_name_bytes_max)?;
    too_large("the number of cursors", ledger.cursors.len() + 1, limits.cursors_max)?;
    if start.partition.number() >= limits.partitions_max {
        let what = format!("there is no partition {}", start.partition.number());
        return Err(Misuse { what }.into());
    }
    if start.kind == CursorKind::Wanted && limits.winner != Winner::Cursors {
        return Err(Misuse { what: "records are wanted by cursors only where cursors win".into() }.into());
    }
    Ok(())
}

fn begun(name: String, start: Start, ledger: &Ledger, oldest: &[(u32, u64)]) -> CursorLedger {
    let known = ledger.partitions.get(&start.partition).copied().unwrap_or_default();
    let number = start.partition.number();
    let oldest = oldest.iter().find(|(partition, _)| *partition == number).map_or(0, |(_, start)| *start);
    let below = match (start.kind, start.from) {
        // No record can want a cursor that was not there.
        (CursorKind::Wanted, _) | (_, From::Newest | From::Time(_)) => known.next,
        (CursorKind::Every, From::Oldest) => known.first.max(oldest),
        (CursorKind::Every, From::Sequence(sequence)) => sequence.number(),
    };
    CursorLedger {
        name,
        partition: start.partition,
        kind: start.kind,
        below,
        settled: BTreeSet::new(),
        records: 0,
        bytes: 0,
    }
}

fn advance(
    ledger: &mut Ledger,
    id: CursorId,
    progress: &Progress,
    settled_max: usize,
) -> Result<Note, CursorError> {
    let Some(cursor) = ledger.cursors.get(&id) else { return Err(NoSuchCursor { id }.into()) };
    let next = ledger.partitions.get(&cursor.partition).map_or(0, |known| known.next);
    let farthest = progress.settled.iter().map(|sequence| sequence.number() + 1).max().unwrap_or(0);
    if progress.below.number().max(farthest) > next.max(cursor.below) {
        return Err(
            Misuse { what: format!("what is not there yet (from {next} on) cannot be settled") }.into()
        );
    }
    let below = progress.below.number().max(cursor.below);
    let mut settled: Vec<u64> = progress.settled.iter().map(|sequence| sequence.number()).collect();
    settled.retain(|sequence| *sequence >= below && !cursor.settled.contains(sequence));
    settled.sort_unstable();
    settled.dedup();
    if cursor.settled.range(below..).count() + settled.len() > settled_max {
        return Err(CursorError::TooFarAhead { below: Sequence::from_number(below), settled_max });
    }
    let (records, bytes) = match cursor.kind {
        CursorKind::Every => (0, 0),
        // Whoever is at the end has nothing before it, whatever was counted.
        CursorKind::Wanted if below >= next => (0, 0),
        CursorKind::Wanted => {
            (cursor.records.saturating_sub(progress.records), cursor.bytes.saturating_sub(progress.bytes))
        }
    };
    Ok(Note::Advance { id, below, settled, records, bytes })
}
