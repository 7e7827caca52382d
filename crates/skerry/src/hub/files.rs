//! Files that devices upload: what the operator says of them, and how they are opened.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use skerry_hub::files::{Files, FilesOptions, LinkKey};
use skerry_hub::registry::Sealer;
use skerry_model::{Clock, Random};
use skerry_store::blobs::{Blobs, FolderBlobs, FolderOptions, Limits};

use super::data::DataDirectory;
use super::engines::Engines;
use crate::failure::Failure;

/// Links to blobs are signed with a key of this name, derived from the key that encrypts device keys.
const LINK_KEY: &str = "links to uploaded files";

/// The table `[files]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesTable {
    /// Whether devices can upload files.
    enabled: bool,
    /// Bytes of all files together.
    bytes_max: u64,
    /// Bytes of one file.
    blob_bytes_max: u64,
    /// How long an upload may take.
    link_minutes: u64,
    /// Files go at this age; 0 keeps them.
    retention_days: u64,
    /// Whether the back end is told of files.
    notices: bool,
}

impl Default for FilesTable {
    fn default() -> Self {
        let Limits { bytes_max, blob_bytes_max, .. } = Limits::default();
        Self { enabled: true, bytes_max, blob_bytes_max, link_minutes: 60, retention_days: 0, notices: true }
    }
}

impl FilesTable {
    pub fn checked(self) -> Result<Self, Failure> {
        let bounds = [
            ("files.bytes_max", self.bytes_max, 1 << 20, 1 << 50),
            ("files.blob_bytes_max", self.blob_bytes_max, 1, 1 << 50),
            ("files.link_minutes", self.link_minutes, 1, 24 * 60),
            ("files.retention_days", self.retention_days, 0, 100 * 366),
        ];
        for (key, value, least, most) in bounds {
            if value < least || value > most {
                return Err(Failure::usage(format!("{key} is {value}, allowed are {least} to {most}")));
            }
        }
        Ok(self)
    }

    /// What is kept in memory goes with the process, and may not fill it.
    pub fn in_memory(bytes_max: u64) -> Self {
        Self { bytes_max, blob_bytes_max: bytes_max, ..Self::default() }
    }

    /// `None` where devices cannot upload files.
    pub fn limits(&self) -> Option<Limits> {
        let (bytes_max, blob_bytes_max) = (self.bytes_max, self.blob_bytes_max);
        self.enabled.then(|| Limits { bytes_max, blob_bytes_max, ..Limits::default() })
    }

    /// The folder of the data directory; where devices cannot upload files, what is there already stays.
    pub async fn open_folder(
        &self,
        data: &DataDirectory,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Arc<dyn Blobs>>, Failure> {
        let Some(limits) = self.limits() else { return Ok(None) };
        let options = FolderOptions { path: data.file("blobs"), limits, clock: Arc::clone(clock) };
        let opened = tokio::task::spawn_blocking(move || FolderBlobs::open(options)).await;
        let blobs = opened.map_err(Failure::failed)?.map_err(Failure::failed)?;
        Ok(Some(Arc::new(blobs)))
    }

    pub async fn open(
        &self,
        engines: &Engines,
        sealer: &Sealer,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Option<Files>, Failure> {
        let Some(blobs) = &engines.blobs else { return Ok(None) };
        let days = Duration::from_secs(self.retention_days * 24 * 3600);
        let files = Files::open(FilesOptions {
            blobs: Arc::clone(blobs),
            documents: Arc::clone(&engines.documents),
            key: LinkKey::new(&sealer.derive(LINK_KEY)),
            link_life: Duration::from_secs(self.link_minutes * 60),
            retention: (self.retention_days > 0).then_some(days),
            notices: self.notices,
            clock: Arc::clone(clock),
            random: Arc::clone(random),
        });
        files.await.map(Some).map_err(Failure::failed)
    }
}
