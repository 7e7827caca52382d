//! The hub's policies: a small file, read once, replaced as a whole.
//!
//! The file is written beside, synced and renamed before a change is answered, so a crash leaves
//! the old policies or the new ones.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use skerry_model::Random;
use skerry_tokens::SharedKey;

use super::policy::{Policy, Right, Rights};

/// Policies of one hub.
const POLICIES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;

/// The policies of a running hub. Readers never wait; changes happen one at a time.
pub struct Policies {
    path: PathBuf,
    current: ArcSwap<Vec<Policy>>,
    /// Held by whoever changes the file.
    changing: Mutex<()>,
}

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    #[error("cannot use the policy file {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "the policy file {path} is damaged ({what}), restore it from a backup, or move it away to get new keys"
    )]
    Content { path: PathBuf, what: String },
}

/// A change of the policies is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("there is no policy {name:?}, `skerry policy list` shows those there are")]
    NotFound { name: String },
    #[error("the policy {name:?} exists already")]
    Exists { name: String },
    #[error("a policy name takes 1 to {NAME_CHARS_MAX} ASCII letters, digits, - . or _")]
    Name,
    #[error("the hub has {POLICIES_MAX} policies, no more are allowed")]
    TooMany,
    #[error("{name:?} is the last policy with all rights, without it everybody would be locked out")]
    LastOwner { name: String },
    #[error(transparent)]
    File(#[from] PoliciesError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    key_name: String,
    primary_key: String,
    secondary_key: String,
    rights: String,
}

impl Policies {
    /// Opens the file, or makes it with the five default policies and random keys.
    pub fn open(path: &Path, random: &dyn Random) -> Result<Self, PoliciesError> {
        let policies = match fs::read(path) {
            Ok(bytes) => parse(path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let policies = defaults(random);
                write(path, &policies)?;
                policies
            }
            Err(source) => return Err(PoliciesError::File { path: path.to_owned(), source }),
        };
        let current = ArcSwap::from_pointee(policies);
        Ok(Self { path: path.to_owned(), current, changing: Mutex::new(()) })
    }

    /// Reads the file without making one, for commands on a local data directory.
    pub fn read(path: &Path) -> Result<Vec<Policy>, PoliciesError> {
        let bytes = fs::read(path).map_err(|source| PoliciesError::File { path: path.to_owned(), source })?;
        parse(path, &bytes)
    }

    pub fn all(&self) -> Arc<Vec<Policy>> {
        self.current.load_full()
    }

    pub fn get(&self, name: &str) -> Option<Policy> {
        self.current.load().iter().find(|policy| policy.name == name).cloned()
    }

    /// Adds a policy with random keys.
    pub fn create(&self, name: &str, rights: Rights, random: &dyn Random) -> Result<Policy, PolicyError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
            return Err(PolicyError::Name);
        }
        let policy = new_policy(name, rights, random);
        self.change(|policies| {
            if policies.iter().any(|present| present.name == name) {
                return Err(PolicyError::Exists { name: name.to_owned() });
            }
            if policies.len() >= POLICIES_MAX {
                return Err(PolicyError::TooMany);
            }
            policies.push(policy.clone());
            Ok(policy)
        })
    }

    pub fn delete(&self, name: &str) -> Result<(), PolicyError> {
        self.change(|policies| {
            let found = find(policies, name)?.name.clone();
            policies.retain(|policy| policy.name != found);
            if !policies.iter().any(|policy| policy.rights == Rights::all()) {
                return Err(PolicyError::LastOwner { name: found });
            }
            Ok(())
        })
    }

    /// Makes new keys: the primary, the secondary, or both.
    pub fn regenerate(
        &self,
        name: &str,
        primary: bool,
        secondary: bool,
        random: &dyn Random,
    ) -> Result<Policy, PolicyError> {
        self.change(|policies| {
            let policy = find(policies, name)?;
            if primary {
                policy.primary = SharedKey::generate(random);
            }
            if secondary {
                policy.secondary = SharedKey::generate(random);
            }
            Ok(policy.clone())
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Policy>) -> Result<T, PolicyError>,
    ) -> Result<T, PolicyError> {
        // A panic while holding it leaves nothing half-done: the file is replaced whole.
        let _changing = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut policies = self.current.load().as_ref().clone();
        let result = change(&mut policies)?;
        write(&self.path, &policies)?;
        self.current.store(Arc::new(policies));
        Ok(result)
    }
}

fn find<'a>(policies: &'a mut [Policy], name: &str) -> Result<&'a mut Policy, PolicyError> {
    let missing = || PolicyError::NotFound { name: name.chars().take(NAME_CHARS_MAX).collect() };
    policies.iter_mut().find(|policy| policy.name == name).ok_or_else(missing)
}

fn defaults(random: &dyn Random) -> Vec<Policy> {
    use Right::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
    vec![
        new_policy("iothubowner", Rights::all(), random),
        new_policy("service", Rights::of(&[ServiceConnect]), random),
        new_policy("device", Rights::of(&[DeviceConnect]), random),
        new_policy("registryRead", Rights::of(&[RegistryRead]), random),
        new_policy("registryReadWrite", Rights::of(&[RegistryRead, RegistryWrite]), random),
    ]
}

fn new_policy(name: &str, rights: Rights, random: &dyn Random) -> Policy {
    let (primary, secondary) = (SharedKey::generate(random), SharedKey::generate(random));
    Policy { name: name.to_owned(), primary, secondary, rights }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Policy>, PoliciesError> {
    let damaged = |what: String| PoliciesError::Content { path: path.to_owned(), what };
    let stored: Vec<Stored> = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let policy = |stored: Stored| {
        let key = |text: &str| text.parse::<SharedKey>().map_err(|error| damaged(error.to_string()));
        Ok(Policy {
            primary: key(&stored.primary_key)?,
            secondary: key(&stored.secondary_key)?,
            rights: stored.rights.parse().map_err(|error: super::RightsError| damaged(error.to_string()))?,
            name: stored.key_name,
        })
    };
    stored.into_iter().map(policy).collect()
}

fn write(path: &Path, policies: &[Policy]) -> Result<(), PoliciesError> {
    let stored = policies.iter().map(|policy| Stored {
        key_name: policy.name.clone(),
        primary_key: policy.primary.reveal(),
        secondary_key: policy.secondary.reveal(),
        rights: policy.rights.to_string(),
    });
    let text =
        serde_json::to_vec_pretty(&stored.collect::<Vec<_>>()).expect("a list of strings is always JSON");
    replace_file(path, &text).map_err(|source| PoliciesError::File { path: path.to_owned(), source })
}

/// Writes a private file so that after a crash it is the old one or the new one.
fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}
