//! The data directory of a quickstart.
//!
//! ```text
//! quickstart.json  who we are, and where we listened last; says that the directory is a quickstart's
//! lock             held while a quickstart runs on it
//! hub/             the data of the hub
//! edge/            the configuration, keys, messages and sockets of the edge device
//! modules/         what modules write that run as processes
//! env              variables for the shell of whoever wants to look around
//! log, log.1       what hub and edge have to say
//! ```

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::addresses::Door;
use super::options::QuickstartOptions;
use crate::edge::{Directories, PlaceOptions};
use crate::failure::Failure;
use crate::hub::{DataDirectory, Held, write_private};
use crate::world;

/// The longest path below the directory at which a socket is opened.
const LONGEST_SOCKET: &str = "/edge/edged/mnt/sensor/workload.sock";
/// What the kernel takes as the path of a socket.
const SOCKET_BYTES_MAX: usize = 107;
/// What a reset removes, the memory of it last.
const OURS: [&str; 7] = ["hub", "edge", "modules", "env", "log", "log.1", MEMORY];
const MEMORY: &str = "quickstart.json";

/// Remembered from one run to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// As the hub's connection strings have it.
    pub host_name: String,
    pub hub: Option<Door>,
    pub edge: Option<Door>,
}

pub struct Place {
    path: PathBuf,
    _held: Held,
}

impl Place {
    /// Finds or makes the directory, and takes it for this process.
    pub fn open(options: &QuickstartOptions) -> Result<Self, Failure> {
        let path = match &options.data {
            Some(path) => {
                let path = std::path::absolute(path).map_err(Failure::usage)?;
                make(&path).map_err(|error| unusable(&path, &error))?;
                path
            }
            None => chosen()?,
        };
        let text = path.to_str().ok_or_else(|| {
            Failure::usage(format!("{} is not UTF-8, name another directory with --data", path.display()))
        })?;
        let bytes_max = SOCKET_BYTES_MAX - LONGEST_SOCKET.len();
        if text.len() > bytes_max {
            return Err(Failure::usage(format!(
                "the path {text} has {} bytes, and below one with more than {bytes_max} no sockets can be opened. Name a shorter one with --data",
                text.len()
            )));
        }
        let held = DataDirectory::new(path.clone()).hold().map_err(|failure| match failure {
            Failure::Conflict(_) => Failure::Conflict(format!(
                "a quickstart runs on {text} already. Stop it with Ctrl-C in its terminal, or run another beside it: skerry quickstart --data DIR"
            )),
            Failure::Failed(text) => Failure::failed(format!("{text}. Name another directory with --data")),
            other => other,
        })?;
        let place = Self { path, _held: held };
        place.settle(options.reset)?;
        Ok(place)
    }

    /// Somebody else's files stay untouched, whatever is asked for.
    fn settle(&self, is_reset: bool) -> Result<(), Failure> {
        let known = self.path(MEMORY).exists();
        if !known && OURS.iter().any(|name| self.path(name).exists()) {
            return Err(Failure::usage(format!(
                "{} has files in it that are not a quickstart's. Name another directory with --data",
                self.path.display()
            )));
        }
        if is_reset {
            for name in OURS {
                let path = self.path(name);
                let removed = match path.symlink_metadata() {
                    Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                    Ok(_) => fs::remove_file(&path),
                    Err(_) => Ok(()),
                };
                removed.map_err(|error| {
                    Failure::failed(format!("{} cannot be removed: {error}", path.display()))
                })?;
            }
        }
        match known && !is_reset {
            true => Ok(()),
            false => self.remember(&Memory::default()),
        }
    }

    pub fn memory(&self) -> Result<Memory, Failure> {
        let path = self.path(MEMORY);
        let read = fs::read(&path).map_err(|error| unusable(&path, &error))?;
        serde_json::from_slice(&read).map_err(|error| {
            Failure::failed(format!(
                "{} is damaged ({error}). Begin anew with --reset, or name another directory with --data",
                path.display()
            ))
        })
    }

    pub fn remember(&self, memory: &Memory) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(memory).expect("texts and numbers are JSON");
        self.write(MEMORY, &text)
    }

    /// Whole or not at all, for this user alone.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path(name);
        write_private(&path, bytes).map_err(|error| unusable(&path, &error))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn root(&self) -> &Path {
        &self.path
    }

    pub fn hub(&self) -> PathBuf {
        self.path("hub")
    }

    /// What `iotedge` has to be told, too.
    pub fn edge(&self) -> PlaceOptions {
        PlaceOptions {
            config: Some(self.path("edge/config.toml")),
            data: Some(self.path("edge")),
            sockets: Some(self.path("edge/sockets")),
        }
    }

    pub fn directories(&self) -> Directories {
        Directories::new(&self.edge())
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{} cannot be used: {error}. Name another directory with --data", path.display()))
}

/// The usual one, and for users who have no home one among the temporary files.
fn chosen() -> Result<PathBuf, Failure> {
    let usual = match world::is_root() {
        true => Some(PathBuf::from("/var/lib/skerry/quickstart")),
        false => world::user_folder_if_any("XDG_DATA_HOME", ".local/share")
            .map(|folder| folder.join("skerry/quickstart")),
    };
    if let Some(usual) = usual.filter(|usual| usual.is_absolute())
        && make(&usual).is_ok()
        && is_ours(&usual)
    {
        return Ok(usual);
    }
    let uid = world::uid().ok_or_else(|| Failure::failed("/proc is not there, and with it our own user"))?;
    let path = world::temporary_folder().join(format!("skerry-quickstart-{uid}"));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(&path, &error)),
        _ if is_ours(&path) => Ok(path),
        _ => Err(Failure::failed(format!(
            "{} is not this user's alone. Name a directory of yours with --data",
            path.display()
        ))),
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A folder that nobody else can write to.
fn is_ours(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_ok_and(|found| found.is_dir() && Some(found.uid()) == world::uid() && found.mode() & 0o022 == 0)
}
