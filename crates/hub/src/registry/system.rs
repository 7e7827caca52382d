//! The edge capability: the modules that the runtime is, and the scope by which children name their parent.

use skerry_model::identity::{Identity, ScopeId};
use skerry_model::twin::Twin;
use skerry_model::{DeviceId, EDGE_AGENT, EDGE_HUB, ModuleId, Timestamp};
use skerry_store::documents::{Change, Expect};

use super::{Record, Registry, RegistryError};
use crate::spaces::module_key;

/// Who manages the modules of an edge device that its runtime runs.
pub(super) const MANAGED_BY_EDGE: &str = "iotEdge";

/// The runtime's own modules.
pub(super) const EDGE_RUNTIME: [&str; 2] = [EDGE_AGENT, EDGE_HUB];

impl Registry {
    /// A device that becomes an edge device gets a scope of its own and stays behind its parent; one that is none
    /// any more is a leaf of its parent.
    pub(super) fn apply_capability(&self, before: &Identity, now: &mut Identity) {
        match (before.edge, now.edge) {
            (false, true) => now.scope = Some(ScopeId::for_edge(&now.device, self.new_generation())),
            (true, false) => now.scope = now.parent_scopes.first().cloned(),
            _ => {}
        }
    }

    /// The modules that the edge runtime of `device` is, without keys until it sets them.
    pub(super) fn system_modules(
        &self,
        device: &Record,
        now: Timestamp,
    ) -> Result<Vec<Change>, RegistryError> {
        let module = |name| {
            let record = self.edge_module(device, system_module(name), now);
            self.put(&record, Expect::Anything)
        };
        EDGE_RUNTIME.map(module).into_iter().collect()
    }

    pub(super) async fn system_modules_removal(
        &self,
        device: &DeviceId,
    ) -> Result<Vec<Change>, RegistryError> {
        let mut changes = Vec::new();
        for name in EDGE_RUNTIME {
            changes.extend(self.removal(device, &system_module(name), Expect::Anything).await?);
        }
        Ok(changes)
    }

    /// What was known of their connections, once they are gone.
    pub(super) fn forget_system_modules(&self, device: &DeviceId) {
        for name in EDGE_RUNTIME {
            self.connections.forget(&module_key(device, &system_module(name)));
        }
    }

    /// A new module that the runtime of `device` manages; it sets the keys, which nobody else knows until then.
    pub(super) fn edge_module(&self, device: &Record, module: ModuleId, now: Timestamp) -> Record {
        let owner = device.identity.device.clone();
        let mut identity = Identity::new(owner, Some(module), self.new_generation(), self.new_etag());
        identity.managed_by = Some(MANAGED_BY_EDGE.to_owned());
        Record { identity, twin: Twin::new(now), revision: device.revision }
    }
}

fn system_module(name: &str) -> ModuleId {
    name.parse().expect("the names of the edge runtime's modules are module ids")
}
