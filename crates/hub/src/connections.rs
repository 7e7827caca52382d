//! Who is connected, as the registry shows it: facts of this process, never written to documents.

use skerry_model::identity::wire::Connection;
use skerry_model::{DeviceId, IdentityId, ModuleId, Timestamp};
use skerry_store::bus::{Address, Epoch};
use skerry_store::documents::Key;
use skerry_store::{PresenceFull, PresenceTable};

/// The presence of the store in the words of the registry.
pub struct Connections {
    presence: PresenceTable,
}

impl Connections {
    pub fn new(presence: PresenceTable) -> Self {
        Self { presence }
    }

    /// What is known of the identity whose document lies under `key`.
    pub(crate) fn of(&self, key: &Key) -> Connection {
        let state = self.presence.get(&address(key));
        Connection {
            connected: state.connected,
            changed: state.changed_at.unwrap_or_default(),
            last_activity: state.last_activity.unwrap_or_default(),
            queued: state.queued,
        }
    }

    pub(crate) fn connected_count(&self) -> u64 {
        self.presence.connected_count()
    }

    /// Whether that is news; refused when too many identities are known.
    pub(crate) fn connected(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        epoch: Epoch,
        at: Timestamp,
    ) -> Result<bool, PresenceFull> {
        self.presence.connected(&address_of(device, module), epoch, at)
    }

    /// Whether that is news; not when a newer connection has taken its place.
    pub(crate) fn disconnected(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        epoch: Epoch,
        at: Timestamp,
    ) -> bool {
        self.presence.disconnected(&address_of(device, module), epoch, at)
    }

    pub(crate) fn active(&self, identity: &Address, at: Timestamp) {
        // Without room it is not known, which is counted there.
        self.presence.active(identity, at).ok();
    }

    /// So many commands wait.
    pub(crate) fn queued(&self, identity: &IdentityId, count: u64) {
        let address = address_of(&identity.device, identity.module.as_ref());
        // Nothing is said of one that may be gone.
        if count > 0 || self.presence.get(&address).queued > 0 {
            // Without room it is not known, which is counted there.
            self.presence.queued(&address, count).ok();
        }
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.presence.forget(&address(key));
    }
}

fn address_of(device: &DeviceId, module: Option<&ModuleId>) -> Address {
    Address::module(device.as_str(), module.map_or("", ModuleId::as_str))
}

fn address(key: &Key) -> Address {
    Address::module(key.group.as_str(), key.name.as_str())
}
