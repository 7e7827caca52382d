//! `config apply` and `config mp`: the file that the operator edits becomes the snapshot that the daemon
//! runs with.
//!
//! ```text
//! STATE/config.toml     the text as it was applied, 0600: it may hold the device's key
//! STATE/config.digest   SHA-256 of it in hex; what the operator's file has today is compared with it
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use skerry_keys::{FileError, read_file, write_file};

use super::provisioning::parse_connection_string;
use super::{Config, ConfigError, Parsed, Problem, Undone};

const SNAPSHOT: &str = "config.toml";
const DIGEST: &str = "config.digest";

/// A configuration that was applied.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub config: Config,
    pub warnings: Vec<Problem>,
    pub digest: String,
}

/// Checks the operator's file and makes it the snapshot. `has_modules`: containers of modules exist, which
/// know this device by its name. Nothing is written when anything is wrong.
pub fn apply(source: &Path, state: &Path, strict: bool, has_modules: bool) -> Result<Snapshot, ApplyError> {
    let bytes = read_file(source)?.ok_or_else(|| ApplyError::Missing { path: source.to_owned() })?;
    let (text, parsed) = parse(source, bytes, strict)?;
    parsed.config.supported().map_err(|undone| ApplyError::Undone { path: source.to_owned(), undone })?;
    // A snapshot that is no longer readable must not stand in the way of a good one.
    if let Ok(Some(old)) = Snapshot::load(state)
        && has_modules
        && old.config.hostname != parsed.config.hostname
    {
        let name =
            |config: &Config| config.hostname.clone().unwrap_or_else(|| "the machine's own".to_owned());
        return Err(ApplyError::HostName { old: name(&old.config), new: name(&parsed.config) });
    }
    let digest = digest_of(&text);
    write_file(&state.join(SNAPSHOT), text.as_bytes(), 0o600)?;
    write_file(&state.join(DIGEST), digest.as_bytes(), 0o600)?;
    Ok(Snapshot { config: parsed.config, warnings: parsed.warnings, digest })
}

impl Snapshot {
    /// What was applied last; `None` before the first time.
    pub fn load(state: &Path) -> Result<Option<Self>, ApplyError> {
        let path = state.join(SNAPSHOT);
        let Some(bytes) = read_file(&path)? else { return Ok(None) };
        let (text, parsed) = parse(&path, bytes, false)?;
        let digest = digest_of(&text);
        Ok(Some(Self { config: parsed.config, warnings: parsed.warnings, digest }))
    }

    /// Whether the operator's file is the one that was applied.
    pub fn is_of(&self, source: &Path) -> Result<bool, ApplyError> {
        let bytes = read_file(source)?.ok_or_else(|| ApplyError::Missing { path: source.to_owned() })?;
        Ok(String::from_utf8(bytes).is_ok_and(|text| digest_of(&text) == self.digest))
    }
}

fn parse(path: &Path, bytes: Vec<u8>, strict: bool) -> Result<(String, Parsed), ApplyError> {
    let refused = |source| ApplyError::Config { path: path.to_owned(), source };
    let text = String::from_utf8(bytes).map_err(|_| ApplyError::Text { path: path.to_owned() })?;
    let parsed = Config::parse(&text, strict).map_err(refused)?;
    Ok((text, parsed))
}

fn digest_of(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The smallest configuration for a device's connection string.
pub fn minimal(connection_string: &str) -> Result<String, ApplyError> {
    let refused = |what| ApplyError::ConnectionString { what };
    parse_connection_string(connection_string).map_err(refused)?;
    if connection_string.contains(['"', '\\']) || connection_string.contains(char::is_control) {
        return Err(refused("holds a character that none has".to_owned()));
    }
    Ok(format!(
        "# Written by `iotedge config mp`. `iotedge config apply` makes it count.\n\
         auto_reprovisioning_mode = \"OnErrorOnly\"\n\n\
         [provisioning]\n\
         source = \"manual\"\n\
         connection_string = \"{connection_string}\"\n"
    ))
}

/// Writes the smallest configuration to `path`, for its owner alone.
pub fn write_minimal(path: &Path, connection_string: &str, force: bool) -> Result<(), ApplyError> {
    let text = minimal(connection_string)?;
    if !force && read_file(path)?.is_some() {
        return Err(ApplyError::Exists { path: path.to_owned() });
    }
    Ok(write_file(path, text.as_bytes(), 0o600)?)
}

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{} does not exist: write it, or let `iotedge config mp` write it", .path.display())]
    Missing { path: PathBuf },
    #[error("{} exists: add --force to replace it", .path.display())]
    Exists { path: PathBuf },
    #[error("{} is not UTF-8: save it as such", .path.display())]
    Text { path: PathBuf },
    #[error("{} cannot be used:\n{source}", .path.display())]
    Config { path: PathBuf, source: ConfigError },
    #[error("{} cannot be applied: {undone}", .path.display())]
    Undone { path: PathBuf, undone: Undone },
    #[error("the connection string {what}")]
    ConnectionString { what: String },
    #[error(
        "the hostname changes from {old} to {new} while containers of modules exist that know the old one: run `iotedge system stop`, remove them with `docker rm -f $(docker ps -aq --filter label=net.azure-devices.edge.owner)`, then apply again"
    )]
    HostName { old: String, new: String },
    #[error(transparent)]
    File(#[from] FileError),
}
