//! What the agent leans on besides containers and its hub. Somebody else implements these: in one
//! process the daemon, in a container the daemon's local APIs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use skerry_runtime::Answer;

use crate::container::Identity;

/// The module identities of this device, in its hub.
pub trait Identities: Send + Sync {
    fn list(&self) -> Answer<'_, Vec<Identity>, IdentityError>;

    /// Makes one that is managed by `iotedge`; one that exists is given as it is.
    fn create<'a>(&'a self, module_id: &'a str) -> Answer<'a, Identity, IdentityError>;

    /// Gives one that exists the keys of this device: whoever made it knew others.
    fn update<'a>(&'a self, module_id: &'a str) -> Answer<'a, Identity, IdentityError>;

    /// Removing one that is gone is done already.
    fn delete<'a>(&'a self, module_id: &'a str) -> Answer<'a, (), IdentityError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the module identities of this device are out of reach: {reason}")]
pub struct IdentityError {
    pub reason: String,
}

/// How this device came to its identity.
pub trait Provisioning: Send + Sync {
    /// The hub does not let the device in any more. Whoever hears it provisions the device anew, which
    /// ends the agent, or knows better.
    fn refused(&self);

    /// Seconds that this machine's clock is ahead of the hub's, as far as anything is known of the hub's.
    fn clock_ahead_seconds(&self) -> Option<i64>;
}

/// What the manifest says of the modules that are built in.
pub trait OwnSettings: Send + Sync {
    /// `env` of `systemModules.edgeAgent`; told at the start, and when it has become another.
    fn environment(&self, env: &BTreeMap<String, String>);

    /// `env` and `createOptions` of `systemModules.edgeHub`; told likewise.
    fn hub(&self, env: &BTreeMap<String, String>, options: &Map<String, Value>);
}

/// Few small files that survive. A save replaces the whole file or does nothing, and is durable when
/// it returns.
pub trait Shelf: Send + Sync {
    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>, ShelfError>;

    fn save<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> Answer<'a, (), ShelfError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be kept: {reason}; see whether its disk is full or damaged")]
pub struct ShelfError {
    pub file: String,
    pub reason: String,
}

/// Encrypts what manifests hold: passwords of registries, settings of modules.
pub trait Sealer: Send + Sync {
    fn seal(&self, plain: Vec<u8>) -> Answer<'_, Vec<u8>, SealError>;

    fn open(&self, sealed: Vec<u8>) -> Answer<'_, Vec<u8>, SealError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the backup of the manifest cannot be sealed or opened: {reason}")]
pub struct SealError {
    pub reason: String,
}
