//! The moments at which something becomes so: a block is there, a blob appears, goes, or is too old.
//!
//! All of this waits for the disk, in the turn of its name. What goes is removed after the change that makes it
//! unnecessary is durable; a crash in between leaves it to the next opening.

use std::fs;
use std::path::Path;

use super::super::{Attributes, BlockId, Composition, Expect, Source, Stored, Sweep, Swept, WriteError};
use super::files::{self, BlockFile, Digest, MANIFEST, MANIFEST_NEW, part_name};
use super::index::{Entry, Waiting};
use super::manifest::{Manifest, Part};
use super::writing::{Aside, failed};
use super::{SWEEP_MAX, Shared};
use crate::blobs::limits::check_attributes;

/// Bytes in a file aside, synced.
pub(super) struct Written {
    pub(super) aside: Aside,
    pub(super) bytes: u64,
    pub(super) sum: u32,
}

impl Written {
    /// Gives the file its place, durably.
    fn place(&mut self, directory: &Path, name: &str) -> Result<(), WriteError> {
        fs::rename(&self.aside.path, directory.join(name)).map_err(|error| failed(&error))?;
        self.aside.is_placed = true;
        files::sync(directory).map_err(|error| failed(&error))
    }
}

impl Shared {
    pub(super) fn place_block(
        &self,
        name: &str,
        mut written: Written,
        id: BlockId,
    ) -> Result<(), WriteError> {
        let digest = Digest::of(name);
        let _turn = self.turn(digest);
        let number = {
            let mut index = self.index();
            index.check_room_for_block(digest, &id, &self.limits)?;
            index.next_number()
        };
        let file = BlockFile { number, written: self.clock.now(), sum: written.sum, id };
        let directory = self.place.make_directory(digest).map_err(|error| failed(&error))?;
        written.place(&directory, &file.name())?;
        let before = self.index().put_block(digest, Waiting { file, bytes: written.bytes });
        if let Some(before) = before {
            clear(&directory.join(before.file.name()));
        }
        Ok(())
    }

    pub(super) fn place_blob(
        &self,
        name: &str,
        mut written: Written,
        attributes: Attributes,
        expect: Expect,
    ) -> Result<Stored, WriteError> {
        let digest = Digest::of(name);
        let _turn = self.turn(digest);
        self.check(name, expect)?;
        let number = self.index().next_number();
        let directory = self.place.make_directory(digest).map_err(|error| failed(&error))?;
        let mut parts = Vec::new();
        if written.bytes > 0 {
            written.place(&directory, &part_name(number))?;
            parts.push(Part::whole(number, written.bytes, written.sum));
        }
        self.appear(name, digest, parts, attributes)
    }

    pub(super) fn compose(&self, composition: Composition) -> Result<Stored, WriteError> {
        let Composition { name, blocks, attributes, expect } = composition;
        check_attributes(&attributes)?;
        if blocks.len() > self.limits.blocks_max {
            return Err(WriteError::TooManyBlocks { blocks_max: self.limits.blocks_max });
        }
        let digest = Digest::of(&name);
        let _turn = self.turn(digest);
        self.check(&name, expect)?;
        let composed = self.parts(digest)?;
        let composed: std::collections::HashMap<BlockId, &Part> =
            composed.iter().filter_map(|part| Some((part.id()?, part))).collect();
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, (source, id)) in blocks.into_iter().enumerate() {
            let waiting = || {
                let index = self.index();
                let block = index.waiting_block(digest, &id)?;
                Some(Part::block(&block.file, block.bytes))
            };
            let old = || composed.get(&id).map(|part| (*part).clone());
            let part = match source {
                Source::Composed => old(),
                Source::Waiting => waiting(),
                Source::Latest => waiting().or_else(old),
            };
            parts.push(part.ok_or(WriteError::BlockNotFound { at })?);
        }
        if parts.iter().map(|part| part.bytes).sum::<u64>() > self.limits.blob_bytes_max {
            return Err(WriteError::BlobTooLarge { bytes_max: self.limits.blob_bytes_max });
        }
        self.place.make_directory(digest).map_err(|error| failed(&error))?;
        self.appear(&name, digest, parts, attributes)
    }

    fn check(&self, name: &str, expect: Expect) -> Result<(), WriteError> {
        let index = self.index();
        let found = index.blob(name).map(|entry| entry.version);
        if !expect.holds(found) {
            return Err(WriteError::Conflict { found });
        }
        index.check_room_for_blob(name, &self.limits)
    }

    fn parts(&self, digest: Digest) -> Result<Vec<Part>, WriteError> {
        let manifest = Manifest::read(&self.place.manifest(digest)).map_err(|error| failed(&error))?;
        Ok(manifest.map(|manifest| manifest.parts).unwrap_or_default())
    }

    /// The parts lie in their places: makes the blob of them.
    fn appear(
        &self,
        name: &str,
        digest: Digest,
        parts: Vec<Part>,
        attributes: Attributes,
    ) -> Result<Stored, WriteError> {
        let directory = self.place.directory(digest);
        let before = Manifest::read(&directory.join(MANIFEST)).unwrap_or_else(|error| {
            tracing::error!(name, %error, "A damaged blob is replaced; its bytes stay until the next start.");
            None
        });
        let now = self.clock.now();
        let (number, version) = {
            let mut index = self.index();
            (index.next_number(), index.next_version(now))
        };
        let created = before.as_ref().map_or(now, |before| before.created);
        let manifest =
            Manifest { name: name.to_owned(), version, number, created, modified: now, attributes, parts };
        if let Err(error) = manifest.write_aside(&directory) {
            // A full disk must not fill further with what nobody names.
            clear(&directory.join(MANIFEST_NEW));
            manifest.parts.iter().filter(|part| part.is_whole()).for_each(|part| {
                clear(&directory.join(part.file_name()));
            });
            return Err(failed(&error));
        }
        Manifest::put(&directory).map_err(|error| failed(&error))?;
        let waiting = {
            let mut index = self.index();
            index.put_blob(name, Entry { bytes: manifest.bytes(), version, modified: now });
            index.take_blocks(digest)
        };
        let kept: std::collections::HashSet<u64> = manifest.parts.iter().map(|part| part.number).collect();
        let old = before.into_iter().flat_map(|before| before.parts);
        for part in old.filter(|part| !kept.contains(&part.number)) {
            clear(&directory.join(part.file_name()));
        }
        for block in waiting.values().filter(|block| !kept.contains(&block.file.number)) {
            clear(&directory.join(block.file.name()));
        }
        Ok(manifest.into_stored())
    }

    pub(super) fn delete(&self, name: &str, expect: Expect) -> Result<bool, WriteError> {
        let digest = Digest::of(name);
        let _turn = self.turn(digest);
        let found = self.index().blob(name).map(|entry| entry.version);
        if !expect.holds(found) {
            return Err(WriteError::Conflict { found });
        }
        if found.is_none() {
            return Ok(false);
        }
        let directory = self.place.directory(digest);
        // One that cannot be read goes as well: its parts are leftovers then.
        let parts = self.parts(digest).unwrap_or_default();
        files::remove(&directory.join(MANIFEST)).map_err(|error| failed(&error))?;
        files::sync(&directory).map_err(|error| failed(&error))?;
        let waiting = {
            let mut index = self.index();
            index.remove_blob(name);
            index.take_blocks(digest)
        };
        let blocks = waiting.values().map(|block| block.file.name());
        for file in parts.iter().map(Part::file_name).chain(blocks) {
            clear(&directory.join(file));
        }
        // Fails where something is left, which the next opening looks at.
        let _ = fs::remove_dir(&directory);
        Ok(true)
    }

    pub(super) fn sweep(&self, sweep: Sweep) -> Result<Swept, WriteError> {
        let (blobs, blocks) = {
            let index = self.index();
            (index.old_blobs(sweep, SWEEP_MAX), index.old_blocks(sweep, SWEEP_MAX))
        };
        let mut swept = Swept::default();
        for (name, version) in blobs {
            match self.delete(&name, Expect::Version(version)) {
                Ok(_) => swept.blobs += 1,
                // Somebody gave the name new bytes meanwhile.
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for (digest, block) in blocks {
            let _turn = self.turn(digest);
            let mut index = self.index();
            if index.waiting_block(digest, &block.file.id) == Some(&block) {
                index.remove_block(digest, &block.file.id);
                drop(index);
                let directory = self.place.directory(digest);
                clear(&directory.join(block.file.name()));
                let _ = fs::remove_dir(&directory);
                swept.blocks += 1;
            }
        }
        Ok(swept)
    }
}

/// Removes what nobody names any more; the next opening does it where this cannot.
fn clear(path: &Path) {
    if let Err(error) = files::remove(path) {
        tracing::warn!(%error, "A file of the blob store that nobody needs could not be removed.");
    }
}
