//! The data directory of a hub: who holds it, and what is written in it besides documents.
//!
//! ```text
//! lock             held while a hub runs on the directory
//! hub.json         identity and addresses of the hub
//! policies.json    access policies and their keys
//! device-keys.key  encrypts device keys in the documents (or elsewhere, by option)
//! tls/             root and server certificate with their keys
//! blobs/           files that devices uploaded
//! documents.db     everything else
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use skerry_hub::registry::{SEAL_KEY_BYTES, Sealer};
use skerry_model::Random;

use crate::failure::Failure;

/// What a sealed probe in `hub.json` holds, to know the right device key file from a wrong one.
const PROBE: &[u8] = b"skerry";
const PROBE_CONTEXT: &str = "hub.json";

/// How often, and how far apart, a start tries to take the directory.
const HOLD_TRIES: u32 = 10;
const HOLD_PAUSE: Duration = Duration::from_millis(50);

/// Who the hub is and where it listens; for commands on the same machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HubFile {
    pub hub_id: String,
    pub hub_name: String,
    pub host_names: Vec<String>,
    pub addresses: Addresses,
    /// Counts the starts: what one process knew of connections is void in the next.
    pub process_epoch: u64,
    pub device_key_probe: String,
    /// Partitions of the telemetry; 0 before the first start.
    pub partitions: u32,
}

/// Where the running hub listens, with real ports.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Addresses {
    pub https: Option<String>,
    pub mqtt: Option<String>,
    pub amqp: Option<String>,
}

impl HubFile {
    /// Whether other machines may reach it.
    pub fn listens_elsewhere(&self) -> bool {
        let Addresses { https, mqtt, amqp } = &self.addresses;
        let addresses = [https, mqtt, amqp].into_iter().flatten();
        addresses
            .filter_map(|text| text.parse::<SocketAddr>().ok())
            .any(|address| !address.ip().is_loopback())
    }
}

#[derive(Clone, Debug)]
pub struct DataDirectory {
    path: PathBuf,
}

/// Holds the directory for this process; the system lets go of it when the process ends, however
/// it ends.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

impl DataDirectory {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the directory where it is missing, for nobody but this user.
    pub fn create(&self) -> Result<(), Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(|error| {
            let path = self.path.display();
            Failure::failed(format!(
                "cannot make the data directory {path}: {error}. Choose another with --data"
            ))
        })
    }

    /// Takes the directory for this process.
    pub fn hold(&self) -> Result<Held, Failure> {
        let path = self.file("lock");
        let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock =
            lock.map_err(|error| Failure::failed(format!("cannot open {}: {error}", path.display())))?;
        // A command that only looks whether somebody holds it has it for a moment itself.
        for attempt in 1.. {
            match lock.try_lock() {
                Ok(()) => return Ok(Held { _lock: lock }),
                Err(TryLockError::WouldBlock) if attempt < HOLD_TRIES => std::thread::sleep(HOLD_PAUSE),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => {
                    return Err(Failure::failed(format!("cannot lock {}: {error}", path.display())));
                }
            }
        }
        Err(Failure::Conflict(format!(
            "another process uses the data directory {}. Stop it first, or choose another with --data",
            self.path.display()
        )))
    }

    /// Whether a hub runs on the directory now.
    pub fn is_held(&self) -> bool {
        let lock = File::open(self.file("lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    pub fn read_hub_file(&self) -> Result<Option<HubFile>, Failure> {
        let path = self.file("hub.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                Failure::failed(format!("{} is damaged ({error}), restore it from a backup", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::failed(format!("cannot read {}: {error}", path.display()))),
        }
    }

    /// The file of a hub that has been started at least once.
    pub fn hub_file(&self) -> Result<HubFile, Failure> {
        self.read_hub_file()?.ok_or_else(|| {
            Failure::NotFound(format!(
                "there is no hub in {}. Start one with `skerry hub run`, name its directory with --data, or a hub elsewhere with --login",
                self.path.display()
            ))
        })
    }

    pub fn write_hub_file(&self, file: &HubFile) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(file).expect("strings and numbers are JSON");
        let path = self.file("hub.json");
        write_private(&path, &text)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
    }

    /// Opens the key that encrypts device keys, or makes it at the first start. A key that does not
    /// belong to the data is refused here, before anything is answered.
    pub fn open_sealer(
        &self,
        key_file: Option<&Path>,
        hub: &mut HubFile,
        random: &dyn Random,
    ) -> Result<Sealer, Failure> {
        let path = key_file.map_or_else(|| self.file("device-keys.key"), Path::to_owned);
        let first = hub.device_key_probe.is_empty();
        let key = match fs::read_to_string(&path) {
            Ok(text) => read_key(&text).ok_or_else(|| {
                Failure::failed(format!(
                    "{} is not a key of {SEAL_KEY_BYTES} bytes in base64",
                    path.display()
                ))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && first => {
                let mut key = [0; SEAL_KEY_BYTES];
                random.fill(&mut key);
                let text = format!("{}\n", STANDARD.encode(key));
                write_private(&path, text.as_bytes())
                    .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
                key
            }
            Err(error) => {
                let text = format!(
                    "cannot read the device key file {}: {error}. Without it device keys stay closed; put it back, or name it with --device-key-file",
                    path.display()
                );
                return Err(Failure::failed(text));
            }
        };
        let sealer = Sealer::new(&key);
        if first {
            let probe = sealer.seal_bytes(PROBE_CONTEXT, PROBE);
            hub.device_key_probe =
                STANDARD.encode(probe.ok_or_else(|| Failure::failed("encryption failed"))?);
            return Ok(sealer);
        }
        let probe = STANDARD.decode(&hub.device_key_probe).unwrap_or_default();
        if sealer.open_bytes(PROBE_CONTEXT, &probe).as_deref() != Some(PROBE) {
            let text =
                format!("{} is not the device key file of this data, put the right one back", path.display());
            return Err(Failure::failed(text));
        }
        Ok(sealer)
    }
}

fn read_key(text: &str) -> Option<[u8; SEAL_KEY_BYTES]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

/// Writes a file that only this user reads, so that after a crash it is the old one or the new one.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
