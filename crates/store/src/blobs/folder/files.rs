//! Where things lie in the folder, and how they get there for good.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use skerry_model::Timestamp;

use super::super::BlockId;

pub(super) const MANIFEST: &str = "blob";
/// The manifest while it is written.
pub(super) const MANIFEST_NEW: &str = "blob.new";

/// The SHA-256 of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(name: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    pub(super) fn first(self) -> u8 {
        self.0[0]
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self(unhex(text)?.try_into().ok()?))
    }
}

/// The file of a block: everything that must be known of it stands in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockFile {
    pub(super) number: u64,
    pub(super) written: Timestamp,
    pub(super) sum: u32,
    pub(super) id: BlockId,
}

impl BlockFile {
    pub(super) fn name(&self) -> String {
        let Self { number, written, sum, id } = self;
        format!("{number:x}-{:x}-{sum:x}-{}.block", written.unix_seconds().max(0), hex(id))
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut words = name.strip_suffix(".block")?.split('-');
        let mut word = || words.next();
        let number = u64::from_str_radix(word()?, 16).ok()?;
        let written = Timestamp::from_unix_seconds(i64::from_str_radix(word()?, 16).ok()?);
        let sum = u32::from_str_radix(word()?, 16).ok()?;
        let id = unhex(word()?)?;
        words.next().is_none().then_some(Self { number, written, sum, id })
    }
}

pub(super) fn part_name(number: u64) -> String {
    format!("{number:x}.part")
}

pub(super) fn part_number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".part")?, 16).ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.bytes().map(|b| Some(char::from(b).to_digit(16)? as u8)).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The folder.
pub(super) struct Place {
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn names(&self) -> PathBuf {
        self.path.join("names")
    }

    pub(super) fn writing(&self) -> PathBuf {
        self.path.join("writing")
    }

    pub(super) fn directory(&self, digest: Digest) -> PathBuf {
        let text = hex(&digest.0);
        self.names().join(&text[..2]).join(text)
    }

    pub(super) fn manifest(&self, digest: Digest) -> PathBuf {
        self.directory(digest).join(MANIFEST)
    }

    /// The directory of a name, made durably where it is missing.
    pub(super) fn make_directory(&self, digest: Digest) -> io::Result<PathBuf> {
        let directory = self.directory(digest);
        if !directory.is_dir() {
            let shelf = directory.parent().unwrap_or(&self.path);
            make(shelf)?;
            make(&directory)?;
        }
        Ok(directory)
    }
}

/// Makes a directory for nobody but this user, durably; no error when it is there.
pub(super) fn make(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    sync(path.parent().unwrap_or(path))
}

/// Names that were given and taken in a directory are durable after this.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// A new file that only this user reads.
pub(super) fn create(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// No error when it is gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_s_file_name_says_everything_of_it_and_fits_into_a_directory() {
        let written = Timestamp::from_unix_seconds(1_800_000_000);
        let block = BlockFile { number: 255, written, sum: 0xdead_beef, id: b"../\0x".to_vec() };
        assert_eq!(block.name(), "ff-6b49d200-deadbeef-2e2e2f0078.block");
        assert_eq!(BlockFile::parse(&block.name()), Some(block));
        let longest = BlockFile { number: u64::MAX, written, sum: u32::MAX, id: vec![0xff; 64] };
        assert!(longest.name().len() < 255);
        assert_eq!(BlockFile::parse(&longest.name()), Some(longest));
        for name in ["ff.block", "1-2-3-4-5.block", "1-2-3-abc.block", "x-1-1-00.block", "1-1-1-00.part"] {
            assert_eq!(BlockFile::parse(name), None, "{name}");
        }
        assert_eq!(part_number(&part_name(4711)), Some(4711));
    }
}
