//! `skerry hub backup`: one archive with everything, from a running hub or from its directory.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skerry_hub::rest::BackupSource;
use skerry_model::Clock as _;
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};
use tokio::runtime::{Handle, Runtime};

use super::archive::{FILES, Manifest, Writer};
use super::data::DataDirectory;
use crate::args::{BackupOptions, Target};
use crate::client::Client;
use crate::failure::Failure;
use crate::world::{self, MachineClock};

/// Where the snapshot of the documents lies while it is sent.
const SNAPSHOT: &str = "documents.backup.db";

/// A data directory whose documents are open in this process.
pub struct DirectoryBackup {
    data: DataDirectory,
    device_key_file: Option<PathBuf>,
    documents: Arc<EmbeddedDocuments>,
}

impl DirectoryBackup {
    pub fn new(
        data: DataDirectory,
        device_key_file: Option<PathBuf>,
        documents: Arc<EmbeddedDocuments>,
    ) -> Self {
        Self { data, device_key_file, documents }
    }
}

impl BackupSource for DirectoryBackup {
    fn write_archive(&self, out: &mut dyn Write) -> io::Result<()> {
        let hub = self.data.hub_file().map_err(io::Error::other)?;
        let snapshot = self.data.file(SNAPSHOT);
        remove(&snapshot)?;
        Handle::current().block_on(self.documents.backup_to(&snapshot)).map_err(io::Error::other)?;
        let manifest =
            Manifest::new(&hub.hub_id, &hub.hub_name, MachineClock.now(), self.device_key_file.is_some());
        let written = self.write_files(out, &manifest, &snapshot);
        remove(&snapshot)?;
        written
    }
}

impl DirectoryBackup {
    fn write_files(&self, out: &mut dyn Write, manifest: &Manifest, snapshot: &Path) -> io::Result<()> {
        let mut writer = Writer::new(out, manifest)?;
        for name in FILES {
            let path = if name == "documents.db" { snapshot.to_owned() } else { self.data.file(name) };
            let skipped = name == "device-keys.key" && manifest.device_key_elsewhere;
            if !skipped && path.exists() {
                writer.file(name, &path)?;
            }
        }
        writer.finish()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub fn backup(options: &BackupOptions) -> Result<(), Failure> {
    let data = DataDirectory::new(options.data.clone().unwrap_or_else(world::default_data));
    data.hub_file()?;
    let mut beside = options.file.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let cannot =
        |error: io::Error| Failure::failed(format!("cannot write {}: {error}", options.file.display()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(cannot)?;
    let runtime = Runtime::new().map_err(Failure::failed)?;
    let outcome = if data.is_held() {
        from_running_hub(&runtime, options, &mut file)
    } else {
        from_directory(&runtime, data, &mut file)
    };
    if let Err(failure) = outcome.and_then(|()| file.sync_all().map_err(cannot)) {
        drop(remove(&beside));
        return Err(failure);
    }
    fs::rename(&beside, &options.file).map_err(cannot)?;
    eprintln!(
        "The backup is in {}. It holds every key of the hub: keep it as you keep those.",
        options.file.display()
    );
    Ok(())
}

fn from_running_hub(runtime: &Runtime, options: &BackupOptions, out: &mut impl Write) -> Result<(), Failure> {
    let target = Target { data: options.data.clone(), ..Target::default() };
    runtime.block_on(async {
        let mut client = Client::connect(&target).await?;
        client.download("/skerry/v1/backup", out).await
    })
}

fn from_directory(runtime: &Runtime, data: DataDirectory, out: &mut impl Write) -> Result<(), Failure> {
    let _held = data.hold()?;
    let _entered = runtime.enter();
    let options = EmbeddedOptions::new(data.file("documents.db"));
    let documents = Arc::new(EmbeddedDocuments::open(options).map_err(Failure::failed)?);
    // A device key file elsewhere is known to the running hub only; here the directory's own is
    // taken where there is one.
    let elsewhere = (!data.file("device-keys.key").exists()).then(PathBuf::new);
    let source = DirectoryBackup::new(data, elsewhere, Arc::clone(&documents));
    let written = source.write_archive(out).map_err(Failure::failed);
    documents.close();
    written
}
