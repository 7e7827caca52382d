//! What went to the disk, and what the system keeps of it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The device below a folder.
///
/// Counting on the device catches what each engine hands over late, and by other processes of its
/// own; it also counts what others write there meanwhile. What the system books on a process
/// (`write_bytes`) would not do: it counts a whole folio for each page made dirty.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    statistics: PathBuf,
}

impl Device {
    pub(crate) fn of(folder: &Path) -> Self {
        let device = fs::metadata(folder).map_or(0, |metadata| metadata.dev());
        // As `makedev` of the C library puts it together.
        let major = (device >> 32 & 0xffff_f000) | (device >> 8 & 0xfff);
        let minor = (device >> 12 & 0xffff_ff00) | (device & 0xff);
        Self { statistics: PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat")) }
    }

    /// Bytes written to it so far; `None` where the system does not tell.
    pub(crate) fn written(&self) -> Option<u64> {
        let text = fs::read_to_string(&self.statistics).ok()?;
        let sectors: u64 = text.split_whitespace().nth(6)?.parse().ok()?;
        Some(sectors * 512)
    }
}

/// Makes the system forget what it has read, where we may; answers whether it did.
pub(crate) fn forget_caches() -> bool {
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// The file system of a folder, such as `ext4`.
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        folder.starts_with(place).then(|| (place.len(), kind.to_owned()))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Bytes of a file, or of all files below a folder.
pub(crate) fn size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}
