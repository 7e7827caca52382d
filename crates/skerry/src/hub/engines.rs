//! Where a hub keeps what it knows: on the disk, or in memory for hubs that may forget.

use std::sync::Arc;

use skerry_hub::rest::BackupSource;
use skerry_hub::spaces::DEVICES;
use skerry_model::{Clock, Random};
use skerry_store::blobs::{Blobs, MemoryBlobs};
use skerry_store::documents::Documents;
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{Limits, Log, Winner};
use skerry_store::{
    EmbeddedDocuments, EmbeddedOptions, MemoryDocuments, MemoryLog, MemoryLogOptions, MemoryOptions,
};

use super::backup::DirectoryBackup;
use super::data::DataDirectory;
use super::settings::Settings;
use crate::failure::Failure;

pub struct Engines {
    pub documents: Arc<dyn Documents>,
    pub log: Arc<dyn Log>,
    /// `None` where devices cannot upload files.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// `None` where nothing outlives the process.
    pub backup: Option<Arc<dyn BackupSource>>,
    close: Box<dyn FnOnce() + Send>,
}

impl Engines {
    /// Opens what lies in the data directory; recovery is part of it.
    pub async fn on_disk(
        settings: &Settings,
        data: &DataDirectory,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Self, Failure> {
        let documents = EmbeddedDocuments::open(EmbeddedOptions::new(data.file("documents.db")));
        let documents = Arc::new(documents.map_err(Failure::failed)?);
        declare_indexes(documents.as_ref(), settings).await?;
        let log = open_journal(settings, data, clock, random)?;
        let blobs = settings.files.open_folder(data, clock).await?;
        let backup =
            DirectoryBackup::new(data.clone(), settings.device_key_file.clone(), Arc::clone(&documents));
        let (closing_log, closing_documents) = (Arc::clone(&log), Arc::clone(&documents));
        let close = move || {
            closing_log.close();
            closing_documents.close();
        };
        Ok(Self { documents, log, blobs, backup: Some(Arc::new(backup)), close: Box::new(close) })
    }

    /// Empty ones that go with the process.
    pub fn in_memory(settings: &Settings, clock: &Arc<dyn Clock>) -> Self {
        let log = MemoryLogOptions { limits: log_limits(settings), clock: Arc::clone(clock), weakness: None };
        let blobs = settings.files.limits().map(|limits| {
            let blobs: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new(limits, Arc::clone(clock)));
            blobs
        });
        Self {
            documents: Arc::new(MemoryDocuments::new(MemoryOptions::default())),
            log: Arc::new(MemoryLog::new(log)),
            blobs,
            backup: None,
            close: Box::new(|| {}),
        }
    }

    /// Waits for the writers, which make whole what they have begun.
    pub async fn close(self) -> Result<(), Failure> {
        tokio::task::spawn_blocking(self.close).await.map_err(Failure::failed)
    }
}

async fn declare_indexes(documents: &EmbeddedDocuments, settings: &Settings) -> Result<(), Failure> {
    for fields in &settings.indexes {
        documents.declare_index(DEVICES, fields).await.map_err(Failure::failed)?;
    }
    Ok(())
}

/// Messages and what is kept beside them.
fn open_journal(
    settings: &Settings,
    data: &DataDirectory,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<Arc<Journal>, Failure> {
    let path = data.file("log");
    let unusable =
        |error: std::io::Error| Failure::failed(format!("cannot use the log {}: {error}", path.display()));
    let files = Arc::new(Directory::hold(&path).map_err(unusable)?);
    let mut options = JournalOptions::new(files, Arc::clone(clock), Arc::clone(random));
    options.limits = log_limits(settings);
    Ok(Arc::new(Journal::open(options).map_err(Failure::failed)?))
}

fn log_limits(settings: &Settings) -> Limits {
    Limits {
        bytes_max: settings.log_bytes_max,
        age_max: Some(settings.retention),
        winner: Winner::Retention,
        partitions_max: settings.partitions,
        ..Limits::default()
    }
}
