//! The indexes of ended files, a few at a time.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::File;
use super::block::Kind;
use super::chunks::Chunks;
use super::index::Index;
use super::segment::{Head, Segment};
use super::walk::{Found, Walk};

/// Readers rarely are in more files than this at a time.
const KEPT: usize = 8;

#[derive(Default)]
pub(super) struct Indexes {
    /// By salt, the latest used first.
    known: Mutex<VecDeque<(u64, Arc<Index>)>>,
}

impl Indexes {
    /// The index of a file: from memory, from behind its end, or made by reading through it.
    pub(super) fn of(
        &self,
        file: &dyn File,
        segment: &Segment,
        head: &Head,
        end: Option<u64>,
    ) -> io::Result<Arc<Index>> {
        if let Some(index) = &*segment.index.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(index.clone());
        }
        let salt = head.prelude.salt;
        if let Some(index) = self.look_up(salt) {
            return Ok(index);
        }
        let len = file.size()?;
        let stored = end.and_then(|end| stored(file, head, end, len));
        let index = Arc::new(stored.unwrap_or_else(|| made(file, head, end.unwrap_or(len))));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(KEPT - 1);
        known.push_front((salt, index.clone()));
        Ok(index)
    }

    fn look_up(&self, salt: u64) -> Option<Arc<Index>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|(known, _)| *known == salt)?;
        let found = known.remove(at)?;
        let index = found.1.clone();
        known.push_front(found);
        Some(index)
    }
}

/// What was written behind the end.
fn stored(file: &dyn File, head: &Head, end: u64, len: u64) -> Option<Index> {
    let mut walk = Walk::new(Chunks::new(file, len), head.prelude.salt, end, 0);
    let Found::Block(standing) = walk.next() else { return None };
    let (offset, slice) = standing.slices().next()?;
    let slice = *slice;
    let bytes = walk.slice(offset, &slice).filter(|_| standing.block.kind == Kind::Index)?;
    Index::decode(&bytes).ok()
}

fn made(file: &dyn File, head: &Head, end: u64) -> Index {
    let mut index = Index::default();
    let mut walk = Walk::new(Chunks::new(file, end), head.prelude.salt, head.body, head.group);
    loop {
        match walk.next() {
            Found::Block(standing) if standing.block.kind == Kind::Group => index.pass(&standing),
            Found::Block(_) | Found::Damage { .. } => {}
            Found::End => return index,
        }
    }
}
