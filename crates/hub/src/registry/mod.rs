//! The registry: devices, modules and their twins, with etags, limits and parents.
//!
//! Every operation reads, decides, and commits with the revision it has read; when somebody else
//! was faster it reads again, at most [`CHANGE_TRIES_MAX`] times. A client's etag is compared with
//! what was read, so a stale one is refused however the race ends.

mod bulk;
mod deploy;
mod devices;
mod error;
mod modules;
mod note;
mod precondition;
mod queues;
mod record;
mod reports;
mod rotate;
mod scopes;
mod seal;
mod settle;
mod statistics;
mod system;
mod twins;

pub use bulk::{BulkItem, BulkItemError, BulkOutcome, ImportMode};
pub use error::RegistryError;
pub(crate) use note::Note;
pub use precondition::Precondition;
pub(crate) use record::read_twin;
pub use record::{Record, RecordError};
pub use rotate::KeyChoice;
pub use scopes::Children;
pub use seal::{SEAL_KEY_BYTES, SealError, Sealer};
pub use statistics::DeviceStatistics;

use std::sync::Arc;

use base64::Engine as _;
use skerry_model::identity::{Identity, wire::Connection};
use skerry_model::{Clock, DeviceId, ModuleId, Random};
use skerry_store::documents::{Change, Commit, Documents, Key, Lane};

use crate::connections::Connections;
use crate::spaces::{device_key, identity_key, module_key};
pub(crate) use settle::{Settled, settle};

/// Times that one operation starts over because somebody else changed the same document.
pub(crate) const CHANGE_TRIES_MAX: usize = 32;

/// The registry of one hub. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    documents: Arc<dyn Documents>,
    connections: Arc<Connections>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Registry {
    pub fn new(
        documents: Arc<dyn Documents>,
        connections: Arc<Connections>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { documents, connections, sealer, clock, random }
    }

    /// What is known of the identity's connection.
    pub fn connection(&self, identity: &Identity) -> Connection {
        self.connections.of(&identity_key(&identity.device, identity.module.as_ref()))
    }

    /// The same for a stored document that need not be read for it.
    pub(crate) fn connection_of_key(&self, key: &Key) -> Connection {
        self.connections.of(key)
    }

    pub(crate) fn documents(&self) -> &Arc<dyn Documents> {
        &self.documents
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Reads a record as the newest commit left it.
    async fn read(&self, key: &Key) -> Result<Option<Record>, RegistryError> {
        let at_least = Some(self.documents.revision());
        match self.documents.get(key, at_least).await? {
            Some(document) => Ok(Some(Record::read(&document, &self.sealer)?)),
            None => Ok(None),
        }
    }

    async fn device(&self, device: &DeviceId) -> Result<Record, RegistryError> {
        let record = self.read(&device_key(device)).await?;
        record.ok_or_else(|| RegistryError::DeviceNotFound { device: device.to_string() })
    }

    async fn module(&self, device: &DeviceId, module: &ModuleId) -> Result<Record, RegistryError> {
        if let Some(record) = self.read(&module_key(device, module)).await? {
            return Ok(record);
        }
        // Clients tell a missing device from a missing module.
        self.device(device).await?;
        Err(RegistryError::ModuleNotFound { device: device.to_string(), module: module.to_string() })
    }

    async fn identity(&self, device: &DeviceId, module: Option<&ModuleId>) -> Result<Record, RegistryError> {
        match module {
            Some(module) => self.module(device, module).await,
            None => self.device(device).await,
        }
    }

    pub(crate) async fn settle(
        &self,
        device: &DeviceId,
        changes: Vec<Change>,
        lane: Lane,
    ) -> Result<Settled, RegistryError> {
        let commit = Commit::new(device.as_str(), changes).in_lane(lane);
        settle(self.documents.as_ref(), commit).await
    }

    fn random_number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A generation id in the original's manner: a decimal number that grows with time.
    fn new_generation(&self) -> u64 {
        self.clock.now().ticks().unsigned_abs() / 1000 * 1000 + self.random_number() % 1000
    }

    /// Where an identity's etag starts: anywhere, so that the etag of a deleted device does not fit
    /// the one created after it.
    fn new_etag(&self) -> u64 {
        self.random_number() >> 32
    }

    fn new_key(&self) -> String {
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes);
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
}
