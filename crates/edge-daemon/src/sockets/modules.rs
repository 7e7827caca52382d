//! A workload socket for each module, in a directory of its own.
//!
//! ```text
//! MNT/<container>/workload.sock      the directory is mounted into the container
//! ```
//!
//! A mounted socket file would die with the daemon that made it; in a mounted directory the next daemon's
//! socket appears, so containers run on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::bind::{SocketError, bind};
use crate::api::Server;

/// Everybody may speak; who it is decides the kernel's word and the container engine's.
const SOCKET_MODE: u32 = 0o666;
const DIRECTORY_MODE: u32 = 0o755;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct ModuleSockets {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    /// The file's name is the one that modules know from `IOTEDGE_WORKLOADURI`.
    file: String,
    server: Server,
    stop: watch::Receiver<bool>,
    open: Mutex<BTreeMap<String, Open>>,
}

struct Open {
    _close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ModuleSockets {
    pub(crate) fn new(directory: PathBuf, file: String, server: Server, stop: watch::Receiver<bool>) -> Self {
        Self { shared: Arc::new(Shared { directory, file, server, stop, open: Mutex::default() }) }
    }

    /// The directory to be mounted for a container, its socket open. Open already is fine.
    pub(crate) fn open(&self, container: &str) -> Result<PathBuf, SocketError> {
        let shared = &self.shared;
        let directory = shared.directory_of(container)?;
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        if *shared.stop.borrow() || open.get(container).is_some_and(|open| !open.task.is_finished()) {
            return Ok(directory);
        }
        let failed = |source| SocketError::Bind { path: directory.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&directory).map_err(failed)?;
        // The process's mask may have taken rights away, and modules run as any user.
        fs::set_permissions(&directory, fs::Permissions::from_mode(DIRECTORY_MODE)).map_err(failed)?;
        let listener = bind(&directory.join(&shared.file), SOCKET_MODE)?;
        let (close, mut closed) = watch::channel(false);
        let (server, mut stop) = (shared.server.clone(), shared.stop.clone());
        let task = tokio::spawn(async move {
            let (end, ended) = watch::channel(false);
            let mut serving = std::pin::pin!(server.run(listener, ended));
            tokio::select! {
                () = serving.as_mut() => return,
                _ = closed.changed() => {}
                _ = stop.changed() => {}
            }
            drop(end);
            serving.await;
        });
        open.insert(container.to_owned(), Open { _close: close, task });
        Ok(directory)
    }

    /// Closes the socket of a container that is gone, and removes its directory.
    pub(crate) fn close(&self, container: &str) -> Result<(), SocketError> {
        let shared = &self.shared;
        let directory = shared.directory_of(container)?;
        shared.open.lock().unwrap_or_else(PoisonError::into_inner).remove(container);
        // What else lies in there is not ours; then the directory stays.
        let _ = fs::remove_file(directory.join(&shared.file));
        let _ = fs::remove_dir(directory);
        Ok(())
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The name of the socket in its directory.
    pub(crate) fn file(&self) -> &str {
        &self.shared.file
    }

    /// Waits until the sockets have been closed, once everything has been told to stop.
    pub(crate) async fn finish(&self) {
        let open = std::mem::take(&mut *self.shared.open.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, open) in open {
            // A panic in it was counted where it happened.
            let _ = open.task.await;
        }
    }
}

impl Shared {
    /// The name becomes part of a path.
    fn directory_of(&self, container: &str) -> Result<PathBuf, SocketError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if container.is_empty()
            || container.starts_with('.')
            || container.len() > 128
            || !container.chars().all(good)
        {
            return Err(SocketError::Name { name: container.chars().take(128).collect() });
        }
        Ok(self.directory.join(container))
    }
}
