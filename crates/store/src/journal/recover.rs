//! Opening: what the files say is what is known.
//!
//! The last file is read through, the others are only listed. What was being written when the end
//! came is no block, or a block that nobody was told of, and the file ends before it. Where a
//! later block says that the place had been durable, it is damage instead: what can be read behind
//! it is kept, and the loss is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::block::{Kind, NOTES};
use super::catalog::Catalog;
use super::chunks::Chunks;
use super::index::Index;
use super::ledger::Ledger;
use super::prelude::{PRELUDE_LEN, Prelude, Unreadable};
use super::segment::{Head, Opening, Segment, UNBORN, numbers};
use super::walk::{Found, Standing, Walk};
use super::{File, Files};
use crate::log::Partition;

/// Files are read in large pieces at opening.
const AHEAD: usize = 1 << 20;

pub(super) struct Recovered {
    pub(super) catalog: Catalog,
    pub(super) ledger: Ledger,
    pub(super) next_number: u64,
    pub(super) previous: Option<(u64, u64)>,
    /// Places that could not be read back.
    pub(super) damaged: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalOpenError {
    #[error("the log's files cannot be used: {0}; check the directory, its owner and its disk")]
    Io(#[from] io::Error),
    #[error("{file} was written by a later Skerry (format {version}); run that one")]
    Later { file: String, version: u32 },
}

pub(super) fn recover(
    files: &dyn Files,
    producers_max: usize,
    writable: bool,
) -> Result<Recovered, JournalOpenError> {
    let segments = list(files, writable)?;
    let catalog = Catalog::default();
    let mut missing = 0;
    let mut expected = None;
    for (first, last) in &segments {
        if expected.is_some_and(|expected| expected != *first) {
            missing += 1;
            tracing::error!(before = first, "A file of the log is missing; what it held is lost.");
        }
        expected = Some(last + 1);
        let segment = Segment::new(*first, *last, 0);
        let bytes = files.open(&segment.name())?.size()?;
        catalog.insert(Arc::new(Segment::new(*first, *last, bytes)));
    }
    let mut replayed = Replayed { ledger: Ledger::new(producers_max), end: None, damaged: missing };
    let all = catalog.all();
    let Some(newest) = all.last() else {
        return Ok(Recovered {
            catalog,
            ledger: replayed.ledger,
            next_number: 1,
            previous: None,
            damaged: missing,
        });
    };
    // The state at the beginning of the last file, or of the last one that still says.
    let mut begin = all.len() - 1;
    loop {
        let file = files.open(&all[begin].name())?;
        let opening = opening(&*file, &all[begin].name())?;
        if let Some(ledger) = opening.and_then(|opening| opening.ledger(&*file, producers_max)) {
            replayed.ledger = ledger;
            break;
        }
        replayed.damaged += 1;
        tracing::error!(file = all[begin].name(), "The beginning of a file of the log is damaged.");
        match begin.checked_sub(1) {
            Some(before) => begin = before,
            None => break,
        }
    }
    for segment in &all[begin..] {
        let file = files.open(&segment.name())?;
        let is_last = Arc::ptr_eq(segment, newest);
        let said = match Head::read(&*file)? {
            Some(head) if !is_last => catalog.end(files, segment, &head)?,
            _ => None,
        };
        replayed.replay(&*file, said, is_last)?;
        if is_last {
            // Records that were written and perhaps never synced are about to be seen.
            if writable {
                file.sync()?;
            }
            replayed.end.into_iter().for_each(|end| segment.set_end(end));
        }
    }
    replayed.ledger.jump_over_what_was_seen();
    if replayed.damaged > 0 {
        tracing::error!(places = replayed.damaged, "Parts of the log are damaged; everything else is kept.");
    }
    let (previous, next_number) = (replayed.end.map(|end| (newest.last, end)), newest.last + 1);
    Ok(Recovered { catalog, ledger: replayed.ledger, next_number, previous, damaged: replayed.damaged })
}

/// `None` when it is damaged.
fn opening(file: &dyn File, name: &str) -> Result<Option<Opening>, JournalOpenError> {
    if let Some(opening) = Opening::read(file)? {
        return Ok(Some(opening));
    }
    let mut chunks = Chunks::new(file, file.size()?);
    match Prelude::decode(&chunks.get(0, PRELUDE_LEN)) {
        Err(Unreadable::Version(version)) => Err(JournalOpenError::Later { file: name.to_owned(), version }),
        _ => Ok(None),
    }
}

/// The segments that are there; leftovers are removed.
fn list(files: &dyn Files, writable: bool) -> io::Result<Vec<(u64, u64)>> {
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    let mut leftovers = Vec::new();
    for name in files.list()? {
        if name.ends_with(UNBORN) {
            leftovers.push(name);
        } else if let Some((first, last)) = numbers(&name) {
            match found.get(&first) {
                Some(known) if *known >= last => leftovers.push(name),
                Some(known) => {
                    leftovers.push(super::segment::name(first, *known));
                    found.insert(first, last);
                }
                None => drop(found.insert(first, last)),
            }
        }
    }
    // A merged file stands for those that it was made of.
    let mut kept: Vec<(u64, u64)> = Vec::new();
    for (first, last) in found {
        match kept.last() {
            Some((_, reached)) if last <= *reached => leftovers.push(super::segment::name(first, last)),
            _ => kept.push((first, last)),
        }
    }
    if writable && !leftovers.is_empty() {
        // The name that makes them leftovers may be seen without being durable.
        files.sync_directory()?;
        for name in leftovers {
            files.remove(&name)?;
        }
    }
    Ok(kept)
}

struct Replayed {
    ledger: Ledger,
    /// Where the last file ends.
    end: Option<u64>,
    damaged: u64,
}

impl Replayed {
    fn replay(&mut self, file: &dyn File, said: Option<u64>, is_last: bool) -> io::Result<()> {
        let len = file.size()?;
        let Ok(prelude) = Prelude::decode(&Chunks::new(file, len).get(0, PRELUDE_LEN)) else { return Ok(()) };
        let end = said.or(prelude.end).unwrap_or(len);
        let walk = || {
            let chunks = Chunks::new(file, end).ahead(AHEAD);
            Walk::new(chunks, prelude.salt, PRELUDE_LEN as u64, 0)
        };
        let durable = if is_last && prelude.end.is_none() { durable(walk()) } else { end };
        let mut walk = walk();
        let mut at = PRELUDE_LEN as u64;
        loop {
            match walk.next() {
                Found::Block(standing) => match standing.block.kind {
                    // Behind the last group lies at most the index, which knows what groups that
                    // cannot be read had reached.
                    Kind::Index => {
                        self.index(&mut walk, &standing);
                        break;
                    }
                    Kind::State => at = standing.end,
                    Kind::Group => {
                        if !self.group(&mut walk, &standing, durable) {
                            break;
                        }
                        at = standing.end;
                    }
                },
                Found::Damage { from, to } if from < durable => {
                    self.damaged += 1;
                    at = to;
                }
                Found::Damage { .. } | Found::End => break,
            }
        }
        if is_last {
            self.end = Some(prelude.end.unwrap_or(at));
        }
        Ok(())
    }

    fn index(&mut self, walk: &mut Walk<'_>, standing: &Standing) {
        let Some((offset, slice)) = standing.slices().next() else { return };
        let Some(bytes) = walk.slice(offset, slice) else { return };
        let Ok(index) = Index::decode(&bytes) else { return };
        for (partition, next) in index.reached() {
            let known = self.ledger.partitions.entry(Partition::new(*partition)).or_default();
            known.next = known.next.max(*next);
        }
        self.ledger.group = self.ledger.group.max(standing.block.group);
    }

    /// Takes in a group; `false` when it is not whole and had not been durable: then nobody was
    /// told of it, and the file ends before it.
    fn group(&mut self, walk: &mut Walk<'_>, standing: &Standing, durable: u64) -> bool {
        let read: Vec<_> =
            standing.slices().map(|(offset, slice)| (*slice, walk.slice(offset, slice))).collect();
        if read.iter().any(|(_, bytes)| bytes.is_none()) {
            if standing.offset >= durable {
                return false;
            }
            self.damaged += 1;
            // What cannot be read was there: its sequences are not given again.
            for (slice, _) in read.iter().filter(|(slice, _)| slice.partition != NOTES) {
                self.ledger.extend(slice, standing.block.time);
            }
        }
        let slices: Vec<_> =
            read.iter().filter_map(|(slice, bytes)| Some((*slice, &bytes.as_ref()?[..]))).collect();
        if self.ledger.replay(&standing.block, &slices).is_err() {
            self.damaged += 1;
        }
        true
    }
}

/// Up to where the file had been durable, by the word of its last block.
fn durable(mut walk: Walk<'_>) -> u64 {
    let mut durable = 0;
    loop {
        match walk.next() {
            Found::Block(standing) => durable = durable.max(standing.block.durable),
            Found::Damage { .. } => {}
            Found::End => return durable,
        }
    }
}
