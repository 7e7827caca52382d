//! Blobs in memory, for tests: the contract without the disk.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use skerry_model::{Clock, Timestamp};

use super::limits::{check_attributes, check_block_id, check_name};
use super::{
    Attributes, Blobs, Block, BlockId, Blocks, Composition, Expect, Figures, Limits, ReadError, Reading,
    Source, Stored, Sweep, Swept, WriteError, Writing,
};
use crate::documents::Answer;

/// Its clones are the same store.
#[derive(Clone)]
pub struct MemoryBlobs {
    limits: Limits,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Blob>,
    waiting: BTreeMap<String, BTreeMap<BlockId, (Bytes, Timestamp)>>,
    version: u64,
    writing: u64,
    refused_full: u64,
}

struct Blob {
    stored: Stored,
    parts: Vec<(Option<BlockId>, Bytes)>,
}

impl State {
    fn waiting_bytes(&self) -> u64 {
        self.waiting.values().flat_map(BTreeMap::values).map(|(bytes, _)| bytes.len() as u64).sum()
    }

    fn bytes(&self) -> u64 {
        self.blobs.values().map(|blob| blob.stored.bytes).sum::<u64>() + self.waiting_bytes() + self.writing
    }
}

impl MemoryBlobs {
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { limits, clock, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for bytes that will come.
    fn reserve(&self, bytes: u64, written: u64) -> Result<(), WriteError> {
        let Limits { bytes_max, blob_bytes_max, .. } = self.limits;
        if written.saturating_add(bytes) > blob_bytes_max {
            return Err(WriteError::BlobTooLarge { bytes_max: blob_bytes_max });
        }
        let mut state = self.state();
        if state.bytes().saturating_add(bytes) > bytes_max {
            state.refused_full += 1;
            return Err(WriteError::Full { bytes_max });
        }
        state.writing += bytes;
        Ok(())
    }

    fn put(
        &self,
        name: &str,
        parts: Vec<(Option<BlockId>, Bytes)>,
        attributes: Attributes,
        expect: Expect,
    ) -> Result<Stored, WriteError> {
        check_attributes(&attributes)?;
        let now = self.clock.now();
        let mut state = self.state();
        let before = state.blobs.get(name).map(|blob| (blob.stored.version, blob.stored.created));
        if !expect.holds(before.map(|(version, _)| version)) {
            return Err(WriteError::Conflict { found: before.map(|(version, _)| version) });
        }
        if before.is_none() && state.blobs.len() >= self.limits.blobs_max {
            return Err(WriteError::TooManyBlobs { blobs_max: self.limits.blobs_max });
        }
        state.version = (state.version + 1).max(now.ticks().unsigned_abs());
        let stored = Stored {
            name: name.to_owned(),
            bytes: parts.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
            version: state.version,
            created: before.map_or(now, |(_, created)| created),
            modified: now,
            attributes,
        };
        state.waiting.remove(name);
        state.blobs.insert(name.to_owned(), Blob { stored: stored.clone(), parts });
        Ok(stored)
    }
}

impl Blobs for MemoryBlobs {
    fn write<'a>(&'a self, name: &'a str, declared: Option<u64>) -> Answer<'a, Box<dyn Writing>, WriteError> {
        Box::pin(async move {
            check_name(name)?;
            let reserved = declared.unwrap_or(0);
            self.reserve(reserved, 0)?;
            let (name, bytes) = (name.to_owned(), BytesMut::new());
            Ok(Box::new(MemoryWriting { blobs: self.clone(), name, bytes, reserved }) as Box<dyn Writing>)
        })
    }

    fn compose(&self, composition: Composition) -> Answer<'_, Stored, WriteError> {
        Box::pin(async move {
            let Composition { name, blocks, attributes, expect } = composition;
            check_name(&name)?;
            if blocks.len() > self.limits.blocks_max {
                return Err(WriteError::TooManyBlocks { blocks_max: self.limits.blocks_max });
            }
            let mut parts = Vec::with_capacity(blocks.len());
            let state = self.state();
            for (at, (from, id)) in blocks.into_iter().enumerate() {
                let waiting = || state.waiting.get(&name)?.get(&id).map(|(bytes, _)| bytes.clone());
                let composed = || {
                    let parts = &state.blobs.get(&name)?.parts;
                    parts.iter().find(|(part, _)| part.as_ref() == Some(&id)).map(|(_, bytes)| bytes.clone())
                };
                let found = match from {
                    Source::Composed => composed(),
                    Source::Waiting => waiting(),
                    Source::Latest => waiting().or_else(composed),
                };
                parts.push((Some(id), found.ok_or(WriteError::BlockNotFound { at })?));
            }
            drop(state);
            if parts.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>() > self.limits.blob_bytes_max {
                return Err(WriteError::BlobTooLarge { bytes_max: self.limits.blob_bytes_max });
            }
            self.put(&name, parts, attributes, expect)
        })
    }

    fn blocks<'a>(&'a self, name: &'a str) -> Answer<'a, Blocks, ReadError> {
        let state = self.state();
        let parts = state.blobs.get(name).into_iter().flat_map(|blob| &blob.parts);
        let composed = parts.filter_map(|(id, bytes)| Some(block(id.clone()?, bytes)));
        let waiting = state.waiting.get(name).into_iter().flatten();
        let waiting = waiting.map(|(id, (bytes, _))| block(id.clone(), bytes));
        let blocks = Blocks { composed: composed.collect(), waiting: waiting.collect() };
        Box::pin(async move { Ok(blocks) })
    }

    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Stored>, ReadError> {
        let found = self.state().blobs.get(name).map(|blob| blob.stored.clone());
        Box::pin(async move { Ok(found) })
    }

    fn read<'a>(&'a self, stored: &'a Stored, range: Range<u64>) -> Answer<'a, Box<dyn Reading>, ReadError> {
        Box::pin(async move {
            let state = self.state();
            let found = state.blobs.get(&stored.name).filter(|blob| blob.stored.version == stored.version);
            let blob = found.ok_or(ReadError::Gone)?;
            let whole: Vec<u8> = blob.parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
            let bytes = Bytes::copy_from_slice(&whole[at(range.start)..at(range.end).max(at(range.start))]);
            Ok(Box::new(MemoryReading(bytes)) as Box<dyn Reading>)
        })
    }

    fn delete<'a>(&'a self, name: &'a str, expect: Expect) -> Answer<'a, bool, WriteError> {
        Box::pin(async move {
            let mut state = self.state();
            let found = state.blobs.get(name).map(|blob| blob.stored.version);
            if !expect.holds(found) {
                return Err(WriteError::Conflict { found });
            }
            state.waiting.remove(name);
            Ok(state.blobs.remove(name).is_some())
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>, ReadError> {
        let state = self.state();
        let behind = state.blobs.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
        let behind = behind.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let page: Vec<Stored> = behind.take(limit).map(|(_, blob)| blob.stored.clone()).collect();
        Box::pin(async move { Ok(page) })
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept, WriteError> {
        let mut state = self.state();
        let mut swept = Swept::default();
        state.blobs.retain(|_, blob| {
            let is_old = sweep.blobs_before.is_some_and(|before| blob.stored.modified < before);
            swept.blobs += u64::from(is_old);
            !is_old
        });
        for blocks in state.waiting.values_mut() {
            blocks.retain(|_, (_, at)| {
                let is_old = sweep.blocks_before.is_some_and(|before| *at < before);
                swept.blocks += u64::from(is_old);
                !is_old
            });
        }
        state.waiting.retain(|_, blocks| !blocks.is_empty());
        Box::pin(async move { Ok(swept) })
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn figures(&self) -> Figures {
        let state = self.state();
        Figures {
            blobs: state.blobs.len() as u64,
            blob_bytes: state.blobs.values().map(|blob| blob.stored.bytes).sum(),
            blocks_waiting: state.waiting.values().map(|blocks| blocks.len() as u64).sum(),
            blocks_waiting_bytes: state.waiting_bytes(),
            writing_bytes: state.writing,
            refused_full: state.refused_full,
            damaged: 0,
        }
    }
}

fn block(id: BlockId, bytes: &Bytes) -> Block {
    Block { id, bytes: bytes.len() as u64 }
}

struct MemoryWriting {
    blobs: MemoryBlobs,
    name: String,
    bytes: BytesMut,
    reserved: u64,
}

impl Writing for MemoryWriting {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, (), WriteError> {
        Box::pin(async move {
            let after = self.bytes.len() as u64 + bytes.len() as u64;
            if after > self.reserved {
                self.blobs.reserve(after - self.reserved, self.reserved)?;
                self.reserved = after;
            }
            self.bytes.extend_from_slice(&bytes);
            Ok(())
        })
    }

    fn into_blob(
        mut self: Box<Self>,
        attributes: Attributes,
        expect: Expect,
    ) -> Answer<'static, Stored, WriteError> {
        Box::pin(async move {
            let bytes = std::mem::take(&mut self.bytes).freeze();
            let parts = if bytes.is_empty() { Vec::new() } else { vec![(None, bytes)] };
            self.blobs.put(&self.name, parts, attributes, expect)
        })
    }

    fn into_block(mut self: Box<Self>, id: BlockId) -> Answer<'static, (), WriteError> {
        Box::pin(async move {
            check_block_id(&id)?;
            let (limits, now) = (self.blobs.limits, self.blobs.clock.now());
            let bytes = std::mem::take(&mut self.bytes).freeze();
            let mut state = self.blobs.state();
            let blocks = state.waiting.entry(self.name.clone()).or_default();
            if blocks.len() >= limits.blocks_max && !blocks.contains_key(&id) {
                return Err(WriteError::TooManyBlocks { blocks_max: limits.blocks_max });
            }
            blocks.insert(id, (bytes, now));
            Ok(())
        })
    }
}

impl Drop for MemoryWriting {
    fn drop(&mut self) {
        self.blobs.state().writing -= self.reserved;
    }
}

struct MemoryReading(Bytes);

impl Reading for MemoryReading {
    fn next(&mut self) -> Answer<'_, Option<Bytes>, ReadError> {
        let piece = self.0.split_to(self.0.len().min(256 * 1024));
        Box::pin(async move { Ok((!piece.is_empty()).then_some(piece)) })
    }
}
