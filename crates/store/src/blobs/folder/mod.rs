//! Blobs in a folder.
//!
//! ```text
//! format                         what this is, and its version
//! writing/<n>                    bytes on their way; removed when the folder is opened
//! names/<xx>/<digest>/           everything of one name, by the SHA-256 of the name
//!     blob                       the manifest: name, version, attributes, and the parts in their order
//!     <n>.part                   bytes of a blob that was written whole
//!     <n>-<seconds>-<sum>-<id>.block   bytes of a block; the manifest names it, or it waits
//! ```
//!
//! A part is written aside, synced, renamed into its place, and the directory is synced; then the manifest, in the same
//! way. So a blob is what its manifest says: parts that no manifest names are blocks that wait, or leftovers of a crash,
//! which go at the next opening. Numbers (`<n>`, hexadecimal) are given once. A manifest holds the number at which it was
//! made: blocks before it that it does not name are leftovers too.
//!
//! All that is in memory is an entry for each blob and each waiting block. Nothing of a client's text becomes a path
//! but by digest or in hexadecimal.

mod files;
mod index;
mod manifest;
mod open;
mod reading;
mod settle;
mod writing;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_model::Clock;

use super::limits::check_name;
use super::{
    Blobs, Block, Blocks, Composition, Expect, Figures, Limits, ReadError, Reading, Stored, Sweep, Swept,
    WriteError, Writing,
};
use crate::documents::Answer;
use files::{Digest, Place};
use index::Index;
use manifest::Manifest;

pub use open::OpenError;

/// Changes of one name happen one after the other; names share so many turns.
const TURNS: usize = 64;
/// Blobs or blocks that one sweep removes.
const SWEEP_MAX: usize = 1000;

pub struct FolderOptions {
    /// Made where it is missing.
    pub path: PathBuf,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
}

/// Cheap to clone; its clones are the same store. The folder belongs to one process.
#[derive(Clone)]
pub struct FolderBlobs(Arc<Shared>);

struct Shared {
    place: Place,
    limits: Limits,
    clock: Arc<dyn Clock>,
    index: Mutex<Index>,
    turns: [Mutex<()>; TURNS],
}

impl Shared {
    /// Held for moments only, never while the disk works.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by threads that may block, while they change what lies under a name.
    fn turn(&self, digest: Digest) -> MutexGuard<'_, ()> {
        let turn = &self.turns[usize::from(digest.first()) % TURNS];
        turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manifest(&self, name: &str) -> Result<Option<Manifest>, ReadError> {
        let digest = Digest::of(name);
        let Some(entry) = self.index().blob(name) else { return Ok(None) };
        match Manifest::read(&self.place.manifest(digest)) {
            // It was replaced or deleted between the two looks: the newer one counts.
            Ok(Some(manifest)) if manifest.version >= entry.version => Ok(Some(manifest)),
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(self.damaged(name, "its manifest is an older one".to_owned())),
            Err(error) => Err(self.damaged(name, error.to_string())),
        }
    }

    fn damaged(&self, name: &str, what: String) -> ReadError {
        self.index().damaged += 1;
        tracing::error!(name, error = what, "A blob cannot be read back.");
        ReadError::Damaged { name: name.to_owned(), what }
    }
}

/// Runs what waits for the disk on a thread that may.
async fn block_on<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
    stopped: impl FnOnce(String) -> E,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(stopped(error.to_string())),
    }
}

async fn writing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WriteError> + Send + 'static,
) -> Result<T, WriteError> {
    block_on(work, |what| WriteError::Failed { what }).await
}

async fn reading<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    block_on(work, |what| ReadError::Failed { what }).await
}

impl Blobs for FolderBlobs {
    fn write<'a>(&'a self, name: &'a str, declared: Option<u64>) -> Answer<'a, Box<dyn Writing>, WriteError> {
        Box::pin(async move {
            check_name(name)?;
            let file = writing::File::begin(&self.0, name, declared).await?;
            Ok(Box::new(file) as Box<dyn Writing>)
        })
    }

    fn compose(&self, composition: Composition) -> Answer<'_, Stored, WriteError> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            check_name(&composition.name)?;
            writing(move || shared.compose(composition)).await
        })
    }

    fn blocks<'a>(&'a self, name: &'a str) -> Answer<'a, Blocks, ReadError> {
        let (shared, name) = (Arc::clone(&self.0), name.to_owned());
        Box::pin(reading(move || {
            let manifest = shared.manifest(&name)?;
            let parts = manifest.into_iter().flat_map(|manifest| manifest.parts);
            let composed =
                parts.filter_map(|part| Some(Block { id: part.id()?, bytes: part.bytes })).collect();
            let index = shared.index();
            let waiting = index.waiting(Digest::of(&name));
            let waiting = waiting.map(|(id, block)| Block { id: id.clone(), bytes: block.bytes }).collect();
            Ok(Blocks { composed, waiting })
        }))
    }

    fn find<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Stored>, ReadError> {
        let (shared, name) = (Arc::clone(&self.0), name.to_owned());
        Box::pin(reading(move || Ok(shared.manifest(&name)?.map(Manifest::into_stored))))
    }

    fn read<'a>(&'a self, stored: &'a Stored, range: Range<u64>) -> Answer<'a, Box<dyn Reading>, ReadError> {
        let (shared, stored) = (Arc::clone(&self.0), stored.clone());
        Box::pin(reading(move || {
            let manifest = shared.manifest(&stored.name)?;
            let manifest = manifest.filter(|manifest| manifest.version == stored.version);
            let parts = reading::Parts::new(shared, manifest.ok_or(ReadError::Gone)?, range);
            Ok(Box::new(parts) as Box<dyn Reading>)
        }))
    }

    fn delete<'a>(&'a self, name: &'a str, expect: Expect) -> Answer<'a, bool, WriteError> {
        let (shared, name) = (Arc::clone(&self.0), name.to_owned());
        Box::pin(writing(move || shared.delete(&name, expect)))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Vec<Stored>, ReadError> {
        let names = self.0.index().names(prefix, after, limit);
        let shared = Arc::clone(&self.0);
        Box::pin(reading(move || {
            // One that went away meanwhile, or cannot be read, does not hide the others.
            let found = names.iter().filter_map(|name| shared.manifest(name).ok().flatten());
            Ok(found.map(Manifest::into_stored).collect())
        }))
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept, WriteError> {
        let shared = Arc::clone(&self.0);
        Box::pin(writing(move || shared.sweep(sweep)))
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn figures(&self) -> Figures {
        self.0.index().figures()
    }
}
