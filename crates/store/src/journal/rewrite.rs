//! Files that a lagging reader keeps: what is still wanted of them goes into fewer, and the rest of
//! the disk comes free.
//!
//! The new file takes the place of the old ones under their numbers, so records keep their
//! sequences and readers their way. It is durable before it has its name, and its name is durable
//! before the old ones go: at any moment one of the two is whole.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::block::{Block, Kind, Place};
use super::chunks::Chunks;
use super::index::Index;
use super::prelude::Prelude;
use super::segment::{Head, Opening, Segment, UNBORN, beginning, name};
use super::shared::Shared;
use super::walk::{Found, Walk};
use super::wanted::{Wanted, keep};
use super::{File, Files};

/// A file is rewritten when less than three quarters of it are wanted.
const WORTH_IT: (u64, u64) = (3, 4);
/// So many small neighbours are made one file.
const SMALL_RUN: usize = 8;

/// The thread that rewrites, one pass each time it is woken.
pub(super) fn run(shared: &Shared) {
    while shared.rewriting.wait() {
        match pass(shared) {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "Old files of the log could not be rewritten."),
        }
    }
}

fn pass(shared: &Shared) -> io::Result<()> {
    let (wanted, next_cursor, group) = {
        let ledger = shared.ledger();
        (Wanted::new(&ledger, shared.options.limits.winner), ledger.next_cursor, ledger.group)
    };
    // What says that something was settled is durable first; the writer calls again when it is.
    if shared.durable_group.load(SeqCst) < group {
        shared.wants_sync.store(true, SeqCst);
        shared.intake.poke();
        return Ok(());
    }
    let is_tight = shared.is_tight();
    let mut all = shared.catalog.all();
    // The newest grows.
    all.pop();
    let small = |segment: &Segment| segment.bytes() < shared.options.segment_bytes / 8;
    let small_run = all.windows(SMALL_RUN).any(|run| run.iter().all(|segment| small(segment)));
    let mut output: Option<Output<'_>> = None;
    for segment in &all {
        let live = match (is_tight, small_run && small(segment)) {
            (false, false) => None,
            (_, true) => measure(shared, segment, &wanted)?,
            (true, false) => {
                let live = measure(shared, segment, &wanted)?;
                live.filter(|live| live * WORTH_IT.1 < segment.bytes() * WORTH_IT.0)
            }
        };
        let fits = |output: &Output<'_>| {
            live.is_some_and(|live| output.offset + live <= shared.options.segment_bytes)
                && output.sources.last().is_some_and(|last| last.last + 1 == segment.first)
        };
        if output.as_ref().is_some_and(|output| !fits(output)) {
            output.take().map_or(Ok(()), Output::finish)?;
        }
        if live.is_none() {
            continue;
        }
        let output = match &mut output {
            Some(output) => output,
            None => output.insert(match Output::begin(shared, segment, next_cursor)? {
                Some(begun) => begun,
                None => continue,
            }),
        };
        output.take(segment, &wanted)?;
        if shared.rewriting.is_closed() {
            break;
        }
    }
    output.map_or(Ok(()), Output::finish)
}

/// A file's blocks, up to its end.
fn walk<'a>(shared: &Shared, file: &'a dyn File, segment: &Segment, head: &Head) -> io::Result<Walk<'a>> {
    let end = match shared.catalog.end(&*shared.options.files, segment, head)? {
        Some(end) => end,
        None => file.size()?,
    };
    let chunks = Chunks::new(file, end).ahead(1 << 20);
    Ok(Walk::new(chunks, head.prelude.salt, head.body, head.group))
}

/// The bytes that are wanted of a file; `None` when some of it cannot be read: a damaged file is
/// left as it is.
fn measure(shared: &Shared, segment: &Segment, wanted: &Wanted) -> io::Result<Option<u64>> {
    let file = shared.options.files.open(&segment.name())?;
    let Some(head) = Head::read(&*file)? else { return Ok(None) };
    let mut walk = walk(shared, &*file, segment, &head)?;
    let mut live = head.body;
    loop {
        match walk.next() {
            Found::Block(standing) if standing.block.kind == Kind::Group => {
                let Some(kept) = keep(&mut walk, &standing, wanted) else { return Ok(None) };
                let bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
                live +=
                    if kept.is_empty() { 0 } else { Block::head_len(&[]) + kept.len() * 40 + bytes } as u64;
            }
            Found::Block(_) => {}
            Found::Damage { .. } => return Ok(None),
            Found::End => return Ok(Some(live)),
        }
    }
}

/// A file in the making. Dropped before it is finished, it leaves nothing behind.
struct Output<'a> {
    shared: &'a Shared,
    /// The number of the next cursor when it was begun.
    next_cursor: u32,
    /// Bytes that the catalog counts for it.
    lent: u64,
    is_finished: bool,
    file: Box<dyn File>,
    unborn: String,
    head: Head,
    offset: u64,
    index: Index,
    sources: Vec<Arc<Segment>>,
    group: u64,
    time: i64,
}

impl<'a> Output<'a> {
    /// Begins as the first of its sources does.
    fn begin(shared: &'a Shared, source: &Arc<Segment>, next_cursor: u32) -> io::Result<Option<Self>> {
        let files = &*shared.options.files;
        let old = files.open(&source.name())?;
        let Some(opening) = Opening::read(&*old)? else { return Ok(None) };
        let Some(mut ledger) = opening.ledger(&*old, shared.options.limits.producers_max) else {
            return Ok(None);
        };
        let mut salt = [0; 8];
        shared.options.random.fill(&mut salt);
        let mut head = opening.head;
        head.prelude =
            Prelude { first: source.first, last: source.last, salt: u64::from_le_bytes(salt), end: None };
        let unborn = format!("{}{UNBORN}", name(source.first, source.first));
        let file = create(files, &unborn)?;
        // Notes are left out, so the numbers that they gave are said here: none is given again.
        ledger.next_cursor = ledger.next_cursor.max(next_cursor);
        let bytes = beginning(&mut head, &ledger);
        let mut output = Self {
            shared,
            next_cursor,
            lent: 0,
            is_finished: false,
            file,
            unborn,
            offset: bytes.len() as u64,
            index: Index::default(),
            sources: Vec::new(),
            group: head.group,
            time: head.time,
            head,
        };
        output.write(&bytes, 0)?;
        Ok(Some(output))
    }

    /// Adds what is wanted of one more file.
    fn take(&mut self, segment: &Arc<Segment>, wanted: &Wanted) -> io::Result<()> {
        let shared = self.shared;
        let file = shared.options.files.open(&segment.name())?;
        let unreadable = || io::Error::other(format!("{} cannot be read any more", segment.name()));
        let head = Head::read(&*file)?.ok_or_else(unreadable)?;
        let mut walk = walk(shared, &*file, segment, &head)?;
        let salt = self.head.prelude.salt;
        let mut buffer = Vec::new();
        let mut buffered_at = self.offset;
        loop {
            let found = walk.next();
            if buffer.len() >= 1 << 20 || matches!(found, Found::End) {
                self.write(&buffer, buffered_at)?;
                buffered_at += buffer.len() as u64;
                buffer.clear();
            }
            match found {
                Found::Block(standing) if standing.block.kind == Kind::Group => {
                    let kept = keep(&mut walk, &standing, wanted).ok_or_else(unreadable)?;
                    if kept.is_empty() {
                        continue;
                    }
                    let (group, time) = (standing.block.group, standing.block.time);
                    let slices = kept.iter().map(|(slice, _)| *slice).collect();
                    let block = Block { kind: Kind::Group, group, time, durable: self.offset, slices };
                    let before = buffer.len();
                    block.encode(Place { salt, offset: self.offset }, &mut buffer);
                    kept.iter().for_each(|(_, bytes)| buffer.extend_from_slice(bytes));
                    self.index.add(&block, self.offset);
                    self.offset += (buffer.len() - before) as u64;
                    (self.group, self.time) = (group, time);
                }
                Found::Block(_) => {}
                Found::Damage { .. } => return Err(unreadable()),
                Found::End => break,
            }
        }
        self.sources.push(segment.clone());
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.shared.catalog.lend(bytes.len() as u64);
        self.lent += bytes.len() as u64;
        self.shared.counted.written_bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.shared.counted.rewritten_bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.file.write_all_at(bytes, offset)
    }

    /// Puts the file in the place of its sources.
    fn finish(mut self) -> io::Result<()> {
        let shared = self.shared;
        self.replace(shared, &*shared.options.files)
    }

    fn replace(&mut self, shared: &Shared, files: &dyn Files) -> io::Result<()> {
        let (Some(first), Some(last)) = (self.sources.first().cloned(), self.sources.last().cloned()) else {
            return Ok(());
        };
        let old: u64 = self.sources.iter().map(|source| source.bytes()).sum();
        self.head.prelude.last = last.last;
        self.head.prelude.end = Some(self.offset);
        let index = self.index.encode(self.head.prelude.salt, self.offset, self.group, self.time);
        self.write(&index, self.offset)?;
        self.file.write_all_at(&self.head.prelude.encode(), 0)?;
        self.file.sync()?;
        shared.counted.syncs.fetch_add(2, Relaxed);
        let _removing = shared.removing();
        let has_new_cursors = shared.ledger().next_cursor != self.next_cursor;
        // A cursor that was made meanwhile may want what was left out.
        if has_new_cursors || !self.sources.iter().all(|source| shared.catalog.holds(source)) {
            return Ok(());
        }
        let new = name(first.first, last.last);
        files.rename(&self.unborn, &new)?;
        self.is_finished = true;
        files.sync_directory()?;
        let segment = Segment::new(first.first, last.last, self.offset + index.len() as u64);
        let segment = Arc::new(segment.with_head(self.head.clone()));
        segment.set_end(self.offset);
        shared.catalog.replace(&self.sources, segment.clone());
        for source in self.sources.iter().filter(|source| source.name() != new) {
            files.remove(&source.name())?;
        }
        shared.counted.removed_settled_bytes.fetch_add(old.saturating_sub(segment.bytes()), SeqCst);
        Ok(())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        self.shared.catalog.give_back(self.lent);
        if !self.is_finished {
            // What cannot be removed now is removed when the journal is opened.
            drop(self.shared.options.files.remove(&self.unborn));
        }
    }
}

fn create(files: &dyn Files, unborn: &str) -> io::Result<Box<dyn File>> {
    match files.create(unborn) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files.remove(unborn)?;
            files.create(unborn)
        }
        created => created,
    }
}
