//! The folder of one run: nobody else's, and gone with it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use skerry_model::Random;

use crate::failure::Failure;
use crate::world;

pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes one where the system keeps what is temporary (`TMPDIR`, or `/tmp`).
    pub fn make(random: &dyn Random) -> Result<Self, Failure> {
        let mut name = [0; 8];
        random.fill(&mut name);
        let path = world::temporary_folder().join(format!("skerry-dev-{:016x}", u64::from_be_bytes(name)));
        // What is there already is somebody else's, and an error.
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            Failure::failed(format!(
                "cannot make the folder {}: {error}. Name a place for temporary files in TMPDIR",
                path.display()
            ))
        })?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "The folder of this run could not be removed.");
        }
    }
}
