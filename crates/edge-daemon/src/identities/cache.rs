//! Identities on disk, for starts without a network.
//!
//! ```text
//! modules/<sha256 of the hub>-<sha256 of the device>/<letters and digits>-<sha256 of the module>    JSON
//! ```
//!
//! No keys are in them: those are derived.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use skerry_keys::{FileError, KeyError, file_name, read_file, write_file};
use skerry_model::{DeviceId, ModuleId};

use crate::cloud::HubModule;

/// A hub lets a device have fifty modules; whatever lies here beyond this is not ours.
const FILES_MAX: usize = 1000;

#[derive(Clone, Debug)]
pub struct IdentityCache {
    directory: PathBuf,
}

impl IdentityCache {
    /// For one device of one hub, below `home`.
    pub fn open(home: &Path, hub: &str, device: &DeviceId) -> Result<Self, CacheError> {
        let directory = home.join("modules").join(format!("{}-{}", hex(hub), hex(device.as_str())));
        make_directory(&directory)?;
        Ok(Self { directory })
    }

    /// Everything that is remembered. What cannot be read is passed over: the hub knows it too.
    pub fn load(&self) -> Result<Vec<HubModule>, CacheError> {
        let failed = |source| CacheError::from(FileError::Read { path: self.directory.clone(), source });
        let mut modules = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)?.take(FILES_MAX) {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some() {
                continue;
            }
            match read_file(&path)?.map(|bytes| serde_json::from_slice(&bytes)) {
                Some(Ok(module)) => modules.push(module),
                _ => tracing::warn!(path = %path.display(), "This file holds no module, it is passed over."),
            }
        }
        Ok(modules)
    }

    pub(super) fn keep(&self, module: &HubModule) -> Result<(), CacheError> {
        let HubModule { module_id, generation_id, managed_by } = module;
        let text = json!({ "moduleId": module_id, "generationId": generation_id, "managedBy": managed_by });
        Ok(write_file(&self.path(module_id)?, text.to_string().as_bytes(), 0o600)?)
    }

    pub(super) fn forget(&self, module: &ModuleId) -> Result<(), CacheError> {
        remove(&self.path(module)?)
    }

    pub(super) fn clear(&self) -> Result<(), CacheError> {
        let failed = |source| CacheError::from(FileError::Read { path: self.directory.clone(), source });
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            remove(&entry.map_err(failed)?.path())?;
        }
        Ok(())
    }

    fn path(&self, module: &ModuleId) -> Result<PathBuf, CacheError> {
        Ok(self.directory.join(file_name(module.as_str(), "")?))
    }
}

fn make_directory(path: &Path) -> Result<(), CacheError> {
    fs::create_dir_all(path).map_err(|source| FileError::Write { path: path.to_owned(), source }.into())
}

fn remove(path: &Path) -> Result<(), CacheError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Write { path: path.to_owned(), source: error }.into())
        }
        _ => Ok(()),
    }
}

fn hex(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("no file can have the module's name: {0}")]
    Name(#[from] KeyError),
}
