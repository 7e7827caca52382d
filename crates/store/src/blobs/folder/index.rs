//! What is in the folder, as far as it has to be known without asking the disk.

use std::collections::{BTreeMap, HashMap};

use skerry_model::Timestamp;

use super::super::{BlockId, Figures, Limits, Sweep, WriteError};
use super::files::{BlockFile, Digest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) bytes: u64,
    pub(super) version: u64,
    pub(super) modified: Timestamp,
}

/// A block that waits to become part of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) file: BlockFile,
    pub(super) bytes: u64,
}

type WaitingBlocks = BTreeMap<BlockId, Waiting>;

#[derive(Default)]
pub(super) struct Index {
    blobs: BTreeMap<String, Entry>,
    waiting: HashMap<Digest, WaitingBlocks>,
    blob_bytes: u64,
    waiting_bytes: u64,
    writing_bytes: u64,
    number: u64,
    version: u64,
    refused_full: u64,
    pub(super) damaged: u64,
}

impl Index {
    pub(super) fn blob(&self, name: &str) -> Option<Entry> {
        self.blobs.get(name).copied()
    }

    pub(super) fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let from = after.filter(|after| *after > prefix).unwrap_or(prefix);
        let names = self.blobs.range(from.to_owned()..).map(|(name, _)| name);
        let names = names.take_while(|name| name.starts_with(prefix));
        names.filter(|name| Some(name.as_str()) != after).take(limit).cloned().collect()
    }

    pub(super) fn waiting(&self, digest: Digest) -> impl Iterator<Item = (&BlockId, &Waiting)> {
        self.waiting.get(&digest).into_iter().flatten()
    }

    pub(super) fn waiting_block(&self, digest: Digest, id: &BlockId) -> Option<&Waiting> {
        self.waiting.get(&digest)?.get(id)
    }

    /// A number that was not given before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Numbers up to this one are in use.
    pub(super) fn know_number(&mut self, number: u64) {
        self.number = self.number.max(number);
    }

    /// Grows with time and never twice the same, so that a blob that is made anew is another one.
    pub(super) fn next_version(&mut self, now: Timestamp) -> u64 {
        self.version = (self.version + 1).max(now.ticks().unsigned_abs());
        self.version
    }

    /// Takes room for bytes that will be written.
    pub(super) fn reserve(&mut self, bytes: u64, limits: &Limits) -> Result<(), WriteError> {
        let taken = self.blob_bytes + self.waiting_bytes + self.writing_bytes;
        if taken.saturating_add(bytes) > limits.bytes_max {
            self.refused_full += 1;
            return Err(WriteError::Full { bytes_max: limits.bytes_max });
        }
        self.writing_bytes += bytes;
        Ok(())
    }

    pub(super) fn release(&mut self, bytes: u64) {
        self.writing_bytes = self.writing_bytes.saturating_sub(bytes);
    }

    pub(super) fn check_room_for_blob(&self, name: &str, limits: &Limits) -> Result<(), WriteError> {
        match self.blobs.len() >= limits.blobs_max && !self.blobs.contains_key(name) {
            true => Err(WriteError::TooManyBlobs { blobs_max: limits.blobs_max }),
            false => Ok(()),
        }
    }

    pub(super) fn check_room_for_block(
        &self,
        digest: Digest,
        id: &BlockId,
        limits: &Limits,
    ) -> Result<(), WriteError> {
        let Some(blocks) = self.waiting.get(&digest) else { return Ok(()) };
        match blocks.len() >= limits.blocks_max && !blocks.contains_key(id) {
            true => Err(WriteError::TooManyBlocks { blocks_max: limits.blocks_max }),
            false => Ok(()),
        }
    }

    pub(super) fn put_blob(&mut self, name: &str, entry: Entry) {
        self.version = self.version.max(entry.version);
        self.blob_bytes += entry.bytes;
        if let Some(before) = self.blobs.insert(name.to_owned(), entry) {
            self.blob_bytes -= before.bytes;
        }
    }

    pub(super) fn remove_blob(&mut self, name: &str) {
        if let Some(before) = self.blobs.remove(name) {
            self.blob_bytes -= before.bytes;
        }
    }

    /// The block that had the id before.
    pub(super) fn put_block(&mut self, digest: Digest, waiting: Waiting) -> Option<Waiting> {
        self.waiting_bytes += waiting.bytes;
        let before = self.waiting.entry(digest).or_default().insert(waiting.file.id.clone(), waiting);
        self.waiting_bytes -= before.as_ref().map_or(0, |before| before.bytes);
        before
    }

    pub(super) fn remove_block(&mut self, digest: Digest, id: &BlockId) {
        let Some(blocks) = self.waiting.get_mut(&digest) else { return };
        self.waiting_bytes -= blocks.remove(id).map_or(0, |block| block.bytes);
        if blocks.is_empty() {
            self.waiting.remove(&digest);
        }
    }

    /// All of a name's.
    pub(super) fn take_blocks(&mut self, digest: Digest) -> WaitingBlocks {
        let blocks = self.waiting.remove(&digest).unwrap_or_default();
        self.waiting_bytes -= blocks.values().map(|block| block.bytes).sum::<u64>();
        blocks
    }

    pub(super) fn old_blobs(&self, sweep: Sweep, limit: usize) -> Vec<(String, u64)> {
        let Some(before) = sweep.blobs_before else { return Vec::new() };
        let old = self.blobs.iter().filter(|(_, entry)| entry.modified < before);
        old.take(limit).map(|(name, entry)| (name.clone(), entry.version)).collect()
    }

    pub(super) fn old_blocks(&self, sweep: Sweep, limit: usize) -> Vec<(Digest, Waiting)> {
        let Some(before) = sweep.blocks_before else { return Vec::new() };
        let all =
            self.waiting.iter().flat_map(|(digest, blocks)| blocks.values().map(|block| (*digest, block)));
        let old = all.filter(|(_, block)| block.file.written < before);
        old.take(limit).map(|(digest, block)| (digest, block.clone())).collect()
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            blobs: self.blobs.len() as u64,
            blob_bytes: self.blob_bytes,
            blocks_waiting: self.waiting.values().map(|blocks| blocks.len() as u64).sum(),
            blocks_waiting_bytes: self.waiting_bytes,
            writing_bytes: self.writing_bytes,
            refused_full: self.refused_full,
            damaged: self.damaged,
        }
    }
}
