//! The file system, as little of it as the journal needs, so that tests can be a worse one.

use std::fs;
use std::io::{self, ErrorKind, IoSlice, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// One directory of files. Names are plain file names.
pub trait Files: Send + Sync {
    /// A new file; an error when the name is taken. Whether it survives a power cut is only known
    /// after [`Files::sync_directory`].
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Every file's name, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Gives the file another name, in place of whatever had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names that were given and taken are durable after this.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file. Another file under its name, or none, does not change it.
pub trait File: Send + Sync {
    /// Writes some of `bytes`, at least one unless they are empty; returns how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Writes some of `parts`, one behind the other, in one go if it can. A file is not written by
    /// two threads at a time.
    fn write_some_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        parts.iter().find(|part| !part.is_empty()).map_or(Ok(0), |part| self.write_at(part, offset))
    }
    /// Reads some bytes; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    fn size(&self) -> io::Result<u64>;
    /// What was written is durable after this.
    fn sync(&self) -> io::Result<()>;
}

impl dyn File + '_ {
    pub(super) fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => (bytes, offset) = (&bytes[written..], offset + written as u64),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn write_parts_at(&self, mut parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        // Empty parts in front would look like a disk that takes nothing.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match self.write_some_at(parts, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut parts, written);
                    offset += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until `into` is full or the file ends; returns how many bytes.
    pub(super) fn read_full_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// Whether the disk, or this user's share of it, has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// A directory of the operating system, held by a lock for as long as this lives.
pub struct Directory {
    path: PathBuf,
    directory: fs::File,
    _lock: Option<fs::File>,
}

/// Held while the journal is open for writing.
pub(super) const LOCK: &str = "lock";

impl Directory {
    /// Makes the directory where it is missing, durably, and takes its lock.
    pub fn hold(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            // The directory's own name lies in its parent.
            if let Some(parent) = path.parent() {
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                fs::File::open(parent)?.sync_all()?;
            }
        }
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                io::Error::new(ErrorKind::ResourceBusy, "another process has the log open")
            }
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self { directory: fs::File::open(path)?, path: path.to_owned(), _lock: Some(lock) })
    }

    /// To look at a log without writing: takes no lock.
    pub fn peek(path: &Path) -> io::Result<Self> {
        Ok(Self { directory: fs::File::open(path)?, path: path.to_owned(), _lock: None })
    }
}

impl Files for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let path = self.path.join(name);
        Ok(Box::new(fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let path = self.path.join(name);
        let writable = self._lock.is_some();
        Ok(Box::new(fs::OpenOptions::new().read(true).write(writable).open(path)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

#[cfg(unix)]
impl File for fs::File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn write_some_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.write_vectored(parts)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
