//! Opens the folder: learns what is in it, and removes what a crash left behind.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::files::{self, BlockFile, Digest, MANIFEST, Place, part_number};
use super::index::{Entry, Index, Waiting};
use super::manifest::Manifest;
use super::{FolderBlobs, FolderOptions, Shared};

const FORMAT_FILE: &str = "format";
const FORMAT: &str = "skerry blobs 1\n";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot use the blob folder {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is no blob folder of this version; name another one, or use the program that made it")]
    Format { path: PathBuf },
}

impl FolderBlobs {
    /// Reads every manifest once; waits for the disk.
    pub fn open(options: FolderOptions) -> Result<Self, OpenError> {
        let FolderOptions { path, limits, clock } = options;
        let place = Place { path };
        prepare(&place)?;
        let mut index = Index::default();
        let unusable = |source| OpenError::File { path: place.path.clone(), source };
        for shelf in entries(&place.names()).map_err(unusable)? {
            for directory in entries(&shelf).map_err(unusable)? {
                look(&directory, &mut index).map_err(unusable)?;
            }
        }
        let turns = std::array::from_fn(|_| Mutex::new(()));
        Ok(Self(Arc::new(Shared { place, limits, clock, index: Mutex::new(index), turns })))
    }
}

fn prepare(place: &Place) -> Result<(), OpenError> {
    let unusable = |source| OpenError::File { path: place.path.clone(), source };
    let format = place.path.join(FORMAT_FILE);
    match fs::read_to_string(&format) {
        Ok(text) if text == FORMAT => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            for path in [&place.path, &place.names(), &place.writing()] {
                files::make(path).map_err(unusable)?;
            }
            // Last and whole, so that a folder that says what it is has everything in it.
            let new = place.writing().join(FORMAT_FILE);
            let write = || {
                let mut file = files::create(&new)?;
                file.write_all(FORMAT.as_bytes())?;
                file.sync_all()?;
                fs::rename(&new, &format)?;
                files::sync(&place.path)
            };
            write().map_err(unusable)?;
        }
        Ok(_) => return Err(OpenError::Format { path: place.path.clone() }),
        Err(source) => return Err(unusable(source)),
    }
    // Whoever wrote them got no answer.
    for leftover in entries(&place.writing()).map_err(unusable)? {
        files::remove(&leftover).map_err(unusable)?;
    }
    Ok(())
}

fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Takes what lies under one name into the index.
fn look(directory: &Path, index: &mut Index) -> io::Result<()> {
    let name_of =
        |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let Some(digest) = Digest::parse(&name_of(directory)) else { return Ok(()) };
    let manifest = match Manifest::read(&directory.join(MANIFEST)) {
        Ok(manifest) => manifest.filter(|manifest| Digest::of(&manifest.name) == digest),
        Err(error) => {
            // Its bytes stay for whoever can make something of them.
            tracing::error!(path = %directory.display(), %error, "A blob cannot be read back.");
            index.damaged += 1;
            return Ok(());
        }
    };
    let parts = manifest.iter().flat_map(|manifest| &manifest.parts);
    let named: HashSet<String> = parts.map(super::manifest::Part::file_name).collect();
    let settled = manifest.as_ref().map_or(0, |manifest| manifest.number);
    index.know_number(settled);
    let mut is_empty = manifest.is_none();
    for path in entries(directory)? {
        let name = name_of(&path);
        let block = BlockFile::parse(&name);
        let number = block.as_ref().map(|block| block.number).or_else(|| part_number(&name));
        index.know_number(number.unwrap_or_default());
        if name == MANIFEST || named.contains(&name) {
            continue;
        }
        match block {
            Some(file) if file.number > settled => {
                let bytes = path.metadata()?.len();
                is_empty = false;
                wait(index, digest, Waiting { file, bytes }, directory)?;
            }
            // A part without its manifest, one that the manifest took the place of, or a manifest in the making.
            _ => files::remove(&path)?,
        }
    }
    if let Some(manifest) = manifest {
        let (bytes, version, modified) = (manifest.bytes(), manifest.version, manifest.modified);
        index.put_blob(&manifest.name, Entry { bytes, version, modified });
    }
    if is_empty {
        fs::remove_dir(directory)?;
    }
    Ok(())
}

/// Of two blocks with one id, the later one counts.
fn wait(index: &mut Index, digest: Digest, block: Waiting, directory: &Path) -> io::Result<()> {
    let newer =
        index.waiting_block(digest, &block.file.id).filter(|known| known.file.number > block.file.number);
    if newer.is_some() {
        return files::remove(&directory.join(block.file.name()));
    }
    match index.put_block(digest, block) {
        Some(older) => files::remove(&directory.join(older.file.name())),
        None => Ok(()),
    }
}
