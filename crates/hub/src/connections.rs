//! Who is connected, as the registry shows it: facts of this process, never written to documents.

use skerry_model::identity::wire::Connection;
use skerry_store::PresenceTable;
use skerry_store::bus::Address;
use skerry_store::documents::Key;

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

    pub(crate) fn forget(&self, key: &Key) {
        self.presence.forget(&address(key));
    }
}

fn address(key: &Key) -> Address {
    Address::module(key.group.as_str(), key.name.as_str())
}
