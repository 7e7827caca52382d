//! The disk that has the data, for the hub's figures.

use skerry_hub::rest::{Disk, Room};

use super::data::DataDirectory;

impl Disk for DataDirectory {
    fn room(&self) -> Option<Room> {
        let found = rustix::fs::statvfs(self.path()).ok()?;
        Some(Room { free_bytes: found.f_bavail * found.f_frsize, bytes: found.f_blocks * found.f_frsize })
    }
}
