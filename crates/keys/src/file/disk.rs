//! Files read with a bound and checked for who may touch them; written so that a crash leaves the old one
//! or the new one, whole.
//!
//! A file is written under a temporary name with its final permissions, synced, renamed, and the directory
//! is synced. One process owns a directory, so a temporary file is what a crash left behind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// No key, chain or snapshot is longer.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn make_private_directory(path: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// The text of a file; `None` where there is none.
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match open(path)? {
        None => Ok(None),
        Some(file) => read_all(file, path).map(|bytes| Some(bytes.to_vec())),
    }
}

/// A key of our own: nobody else may own, read or write it.
pub(super) fn read_private(path: &Path, owner: u32) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let Some(file) = open(path)? else { return Ok(None) };
    let metadata = file.metadata().map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    if metadata.uid() != owner && metadata.uid() != 0 {
        return Err(FileError::Owner { path: path.to_owned(), is: metadata.uid(), expected: owner });
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(FileError::Mode { path: path.to_owned(), mode: metadata.mode() & 0o777 });
    }
    read_all(file, path).map(Some)
}

/// A key in the operator's file, which has to be there.
pub(super) fn read_operators(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = open(path)?.ok_or_else(|| FileError::Missing { path: path.to_owned() })?;
    if file.metadata().is_ok_and(|metadata| metadata.mode() & 0o006 != 0) {
        tracing::warn!(path = %path.display(), "Everybody may read this key, its file should have the mode 0600.");
    }
    read_all(file, path)
}

fn open(path: &Path) -> Result<Option<File>, FileError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}

fn read_all(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLong { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Writes a file in place of the old one, durably.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    replace(path, bytes, mode).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let temporary = directory.join(name);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    let renamed = fs::rename(from, to).and_then(|()| sync_directory_of(to));
    renamed.map_err(|source| FileError::Write { path: to.to_owned(), source })
}

/// Removing what is not there is done.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path).and_then(|()| sync_directory_of(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(|source| FileError::Write { path: path.to_owned(), source }),
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?.sync_all()
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} does not exist: check the path in the configuration", .path.display())]
    Missing { path: PathBuf },
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has more than 1 MiB: it is no key or certificate, check the path", .path.display())]
    TooLong { path: PathBuf },
    #[error("{} belongs to user {is} and not to user {expected}: somebody else may have replaced the key; restore it, or give it back with chown", .path.display())]
    Owner { path: PathBuf, is: u32, expected: u32 },
    #[error("{} has mode {mode:04o}: others may have read the key; replace it, or take their rights with `chmod 600`", .path.display())]
    Mode { path: PathBuf, mode: u32 },
    #[error("{} is named in the configuration and therefore the operator's: change it there", .path.display())]
    Operators { path: PathBuf },
    #[error("cannot write {}: {source}; make its directory writable for this user and check the free space", .path.display())]
    Write { path: PathBuf, source: io::Error },
}
