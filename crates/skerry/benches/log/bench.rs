//! What every section has at hand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::meter::Trouble;
use crate::options::Options;
use crate::report::Report;
use crate::stop::Stop;

pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) folder: &'a Path,
    pub(crate) stop: &'a Stop,
    pub(crate) report: Report,
}

impl Bench<'_> {
    /// A folder for one turn: what is done with is removed before the next one, which bounds the
    /// disk, and keeps the system from writing the last turn's pages during this one.
    pub(crate) fn turn(&self, name: &str) -> io::Result<Turn> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path)?;
        Ok(Turn(path))
    }

    /// Work that blocks, beside the runtime.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let stop = self.stop.clone();
        tokio::task::spawn_blocking(move || work(&stop)).await?
    }
}

/// Removed with everything in it when the turn is over.
pub(crate) struct Turn(PathBuf);

impl Turn {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
