//! The file that grows.

use std::io::{self, IoSlice};
use std::sync::{Arc, PoisonError};

use super::block::{Block, Kind, Place};
use super::group::Grown;
use super::index::Index;
use super::ledger::Ledger;
use super::prelude::Prelude;
use super::segment::{Head, Segment, UNBORN, beginning, name};
use super::{File, Files};

/// A block of so many bytes is put together before it is written.
const ONE_PIECE_MAX: u64 = 8 << 10;

pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) file: Arc<dyn File>,
    salt: u64,
    /// Where the next block goes.
    pub(super) offset: u64,
    /// Up to where it is durable, and which group was the last before there.
    pub(super) durable: u64,
    durable_group: u64,
    group: u64,
    /// What lies behind there, in memory: after a sync that failed, reading back proves nothing.
    undurable: Vec<(Block, Vec<Grown>)>,
    index: Index,
    /// Of the block that is written; kept for its memory.
    head: Vec<u8>,
}

impl Active {
    /// Makes the file `number`, beginning after `ledger.group`. It has its name only when its beginning is durable, so a file with
    /// a name and no beginning was damaged.
    pub(super) fn begin(
        files: &dyn Files,
        number: u64,
        salt: u64,
        time: i64,
        ledger: &Ledger,
        previous: Option<(u64, u64)>,
    ) -> io::Result<Self> {
        let starts = ledger.partitions.iter().map(|(partition, known)| (partition.number(), known.next));
        let mut head = Head {
            prelude: Prelude { first: number, last: number, salt, end: None },
            time,
            group: ledger.group,
            starts: starts.collect(),
            previous,
            body: 0,
        };
        let bytes = beginning(&mut head, ledger);
        let name = name(number, number);
        let unborn = format!("{name}{UNBORN}");
        let file = match files.create(&unborn) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                files.remove(&unborn)?;
                files.create(&unborn)?
            }
            created => created?,
        };
        let written = file.write_all_at(&bytes, 0).and_then(|()| file.sync());
        if let Err(error) = written.and_then(|()| files.rename(&unborn, &name)) {
            drop(file);
            // What cannot be removed now is removed when the journal is opened.
            drop(files.remove(&unborn));
            return Err(error);
        }
        files.sync_directory()?;
        let offset = bytes.len() as u64;
        let segment = Arc::new(Segment::new(number, number, offset).with_head(head));
        segment.set_end(offset);
        let (group, index) = (ledger.group, Index::default());
        Ok(Self {
            segment,
            file: file.into(),
            salt,
            offset,
            durable: offset,
            durable_group: group,
            group,
            undurable: Vec::new(),
            index,
            head: Vec::new(),
        })
    }

    /// Writes a group's block, not synced. Returns its length; after an error the file is as it
    /// was, for what was written counts only together with [`Active::keep`].
    pub(super) fn write(&mut self, block: &Block, slices: &[Grown]) -> io::Result<u64> {
        self.head.clear();
        block.encode(Place { salt: self.salt, offset: self.offset }, &mut self.head);
        let len = self.head.len() as u64 + block.body_len();
        if len <= ONE_PIECE_MAX {
            // One call to the system, for a copy.
            slices.iter().for_each(|grown| self.head.extend_from_slice(&grown.bytes));
            self.file.write_all_at(&self.head, self.offset)?;
            return Ok(len);
        }
        let parts = std::iter::once(&self.head[..]).chain(slices.iter().map(|grown| &grown.bytes[..]));
        let mut parts: Vec<IoSlice<'_>> = parts.map(IoSlice::new).collect();
        self.file.write_parts_at(&mut parts, self.offset)?;
        Ok(len)
    }

    /// The block that was written last, of `len` bytes, counts from now on.
    pub(super) fn keep(&mut self, block: Block, slices: &[Grown], len: u64) {
        if self.index.add(&block, self.offset) {
            let index = Arc::new(self.index.clone());
            *self.segment.index.lock().unwrap_or_else(PoisonError::into_inner) = Some(index);
        }
        self.offset += len;
        self.group = block.group;
        self.undurable.push((block, slices.to_vec()));
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        self.is_durable_to(self.group, self.offset);
        Ok(())
    }

    /// It was synced after `group`, which ends at `offset`, was written.
    pub(super) fn is_durable_to(&mut self, group: u64, offset: u64) {
        (self.durable, self.durable_group) = (offset, group);
        self.undurable.retain(|(block, _)| block.group > group);
    }

    /// The last group in it, or before it.
    pub(super) fn group(&self) -> u64 {
        self.group
    }

    pub(super) fn is_durable(&self) -> bool {
        self.durable == self.offset
    }

    /// Whether groups were written since the beginning.
    pub(super) fn has_groups(&self) -> bool {
        !self.index.entries.is_empty()
    }

    /// Ends the file where it is durable, with its index behind. The index can be made again, so
    /// nobody waits for it and nobody minds when there is no room for it.
    pub(super) fn end(self, group: u64, time: i64) -> (Arc<Segment>, u64) {
        let bytes = self.index.encode(self.salt, self.durable, group, time);
        let written = self.file.write_all_at(&bytes, self.durable).is_ok();
        let added = if written { bytes.len() as u64 } else { 0 };
        self.segment.set_end(self.durable);
        *self.segment.index.lock().unwrap_or_else(PoisonError::into_inner) = None;
        (self.segment, added)
    }

    /// The groups that are written and not durable, and the group before them.
    pub(super) fn undurable(&mut self) -> (u64, Vec<(Block, Vec<Grown>)>) {
        (self.durable_group, std::mem::take(&mut self.undurable))
    }

    /// The file failed: it ends where it is durable, and nothing more is asked of it.
    pub(super) fn give_up(self) -> Arc<Segment> {
        self.segment.set_end(self.durable);
        *self.segment.index.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.segment
    }

    pub(super) fn group_block(&self, group: u64, time: i64, slices: &[Grown]) -> Block {
        let slices = slices.iter().map(|grown| grown.slice).collect();
        Block { kind: Kind::Group, group, time, durable: self.durable, slices }
    }
}
