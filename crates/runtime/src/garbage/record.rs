//! The record of images in its file: written soon after it changed, and whole.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skerry_model::Clock;
use tokio::sync::Notify;

use super::used::ImageUse;

/// Between writes: an update touches many images at once.
const PAUSE: Duration = Duration::from_secs(1);
/// After a write that failed.
const AGAIN: Duration = Duration::from_secs(60);

/// Cheap to clone.
#[derive(Clone)]
pub struct Record {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    images: Mutex<ImageUse>,
    changed: Notify,
}

impl Record {
    /// Reads what was kept. What cannot be read is told, and put aside where that helps: the images in it
    /// stay on the machine, which is no reason for a device not to start.
    pub fn open(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let images = read(&path).unwrap_or_else(|error| {
            tracing::error!(error, file = %path.display(), "Images from before are not collected.");
            ImageUse::default()
        });
        let shared = Shared { path, clock, images: Mutex::new(images), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// An image is of use now.
    pub fn touch(&self, id: &str) {
        let now = self.shared.clock.now();
        self.change(|images| images.touch(id, now));
    }

    pub(super) fn change<R>(&self, work: impl FnOnce(&mut ImageUse) -> R) -> R {
        let done = work(&mut self.shared.images.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.changed.notify_one();
        done
    }

    /// Writes what changes, until it is dropped.
    pub async fn keep(&self) {
        let mut is_told = false;
        loop {
            self.shared.changed.notified().await;
            let written = self.write().await;
            if let Err(error) = &written
                && !is_told
            {
                tracing::error!(%error, file = %self.shared.path.display(), "It is not kept which images are ours.");
            }
            is_told = written.is_err();
            if is_told {
                self.shared.changed.notify_one();
            }
            tokio::time::sleep(if is_told { AGAIN } else { PAUSE }).await;
        }
    }

    /// Writes at once, before the process ends.
    pub async fn flush(&self) {
        if let Err(error) = self.write().await {
            tracing::error!(%error, "It is not kept which images are ours.");
        }
    }

    async fn write(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let text = shared.images.lock().unwrap_or_else(PoisonError::into_inner).text();
        let work = tokio::task::spawn_blocking(move || write(&shared.path, text.as_bytes()));
        work.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

fn read(path: &Path) -> Result<ImageUse, String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ImageUse::default()),
        Err(error) => return Err(error.to_string()),
    };
    ImageUse::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| {
        // Where it cannot be put aside, the next write takes its place.
        let _ = std::fs::rename(path, path.with_extension("damaged"));
        error.to_string()
    })
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}
