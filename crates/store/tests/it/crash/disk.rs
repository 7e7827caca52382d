//! The disk after a power cut.

use std::collections::BTreeMap;
use std::path::Path;

use super::vfs::Op;
use crate::samples::Dice;

/// What a disk can tear apart.
const SECTOR: usize = 512;

/// The files as they are for sure, and what may or may not have reached them since.
#[derive(Default)]
pub(crate) struct Disk {
    files: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    /// `None`: the file does not exist.
    durable: Option<Vec<u8>>,
    pending: Vec<Op>,
}

impl Known {
    /// The name is as it is now; what was written under it is still on its way.
    fn name_synced(&mut self) {
        let named = |op: &Op| matches!(op, Op::Create(_) | Op::Delete { .. });
        if let Some(last) = self.pending.iter().rposition(named) {
            for op in self.pending.drain(..=last).filter(named) {
                change(&mut self.durable, &op);
            }
        }
    }
}

/// What becomes of the bytes that were never synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// All lost.
    Dropped,
    /// All there, except that the very last write is torn in half.
    Torn,
    /// Each sector by chance.
    Random(u64),
}

impl Disk {
    /// Takes an operation in; answers whether what is there for sure may have changed.
    pub(crate) fn apply(&mut self, op: &Op) -> bool {
        match op {
            Op::Acked { .. } => true,
            Op::Sync(name) => {
                let known = self.files.entry(name.clone()).or_default();
                // The first sync of a new log or journal syncs the directory as well, and with it
                // the names of all files in it (SQLite, os_unix.c, UNIXFILE_DIRSYNC).
                let new = known.pending.iter().any(|op| matches!(op, Op::Create(_)));
                if new && !name.ends_with(".db") {
                    self.files.values_mut().for_each(Known::name_synced);
                }
                let known = self.files.entry(name.clone()).or_default();
                for op in std::mem::take(&mut known.pending) {
                    change(&mut known.durable, &op);
                }
                true
            }
            Op::Delete { file, durable: true } => {
                self.files.remove(file);
                true
            }
            Op::Create(file)
            | Op::Write { file, .. }
            | Op::Truncate { file, .. }
            | Op::Delete { file, .. } => {
                self.files.entry(file.clone()).or_default().pending.push(op.clone());
                false
            }
        }
    }

    /// Writes the files into a directory as a cut at this point leaves them. `last` is the
    /// operation of the moment.
    pub(crate) fn after(&self, cut: Cut, last: &Op, directory: &Path) {
        for (name, known) in &self.files {
            let mut content = known.durable.clone();
            match cut {
                Cut::Dropped => {}
                Cut::Torn => {
                    for (number, op) in known.pending.iter().enumerate() {
                        let is_last = number + 1 == known.pending.len();
                        match (op, last) {
                            (Op::Write { file, offset, bytes }, Op::Write { file: now, .. })
                                if is_last && file == now =>
                            {
                                let half = bytes[..bytes.len() / 2].to_vec();
                                let torn = Op::Write { file: file.clone(), offset: *offset, bytes: half };
                                change(&mut content, &torn);
                            }
                            _ => change(&mut content, op),
                        }
                    }
                }
                Cut::Random(seed) => {
                    let mut dice = Dice(seed);
                    for op in &known.pending {
                        match op {
                            // Without the deletion, what follows went to a file without a name.
                            Op::Delete { .. } if dice.roll(2) == 0 => break,
                            Op::Write { file, offset, bytes } => {
                                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                                    if dice.roll(2) == 0 {
                                        let (file, offset) = (file.clone(), offset + number * SECTOR);
                                        change(
                                            &mut content,
                                            &Op::Write { file, offset, bytes: sector.to_vec() },
                                        );
                                    }
                                }
                            }
                            Op::Truncate { .. } if dice.roll(2) == 0 => {}
                            _ => change(&mut content, op),
                        }
                    }
                }
            }
            if let Some(content) = content {
                std::fs::write(directory.join(name), content).unwrap();
            }
        }
    }
}

fn change(content: &mut Option<Vec<u8>>, op: &Op) {
    match op {
        Op::Create(_) => drop(content.get_or_insert_default()),
        Op::Write { offset, bytes, .. } => {
            let content = content.get_or_insert_default();
            let end = offset + bytes.len();
            content.resize(content.len().max(end), 0);
            content[*offset..end].copy_from_slice(bytes);
        }
        Op::Truncate { size, .. } => content.get_or_insert_default().resize(*size, 0),
        Op::Delete { .. } => *content = None,
        Op::Sync(_) | Op::Acked { .. } => {}
    }
}
