//! What the agent leans on, given by the daemon in the same process.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_edge_agent::container::Identity;
use skerry_edge_agent::ports::{Identities, IdentityError, Provisioning, SealError, Sealer};
use skerry_edge_agent::{Bundles, Disk, HostError, HostFigures, HostSource, UploadError};
use skerry_edge_daemon::cloud::HubModule;
use skerry_edge_daemon::identities::IdentityError as IdentitiesError;
use skerry_edge_daemon::{BundleQuery, Handle};
use skerry_model::{EDGE_AGENT, ModuleId, Random, Timestamp};
use skerry_runtime::Answer;

/// Who made the identities that the agent makes, and may remove.
const MANAGED_BY: &str = "iotedge";
/// Stands for the agent's generation, so that its backup opens without a hub to ask.
const BACKUP: &str = "backup of the agent";
const VECTOR_BYTES: usize = 16;

#[derive(Clone)]
pub struct Ports {
    pub daemon: Handle,
    pub random: Arc<dyn Random>,
}

pub fn agent_id() -> ModuleId {
    EDGE_AGENT.parse().expect("the agent's own name is one of a module")
}

fn module_id(text: &str) -> Result<ModuleId, IdentityError> {
    text.parse().map_err(|error| IdentityError { reason: format!("{text:?} cannot be a module: {error}") })
}

fn identity(module: HubModule) -> Identity {
    Identity {
        module_id: module.module_id.to_string(),
        generation_id: module.generation_id,
        managed_by: module.managed_by.unwrap_or_default(),
    }
}

fn failed(error: &IdentitiesError) -> IdentityError {
    IdentityError { reason: error.to_string() }
}

impl Identities for Ports {
    fn list(&self) -> Answer<'_, Vec<Identity>, IdentityError> {
        Box::pin(async {
            let modules = self.daemon.identities().list().await.map_err(|error| failed(&error))?;
            Ok(modules.into_iter().map(identity).collect())
        })
    }

    fn create<'a>(&'a self, id: &'a str) -> Answer<'a, Identity, IdentityError> {
        Box::pin(async move {
            let made = self.daemon.identities().create(&module_id(id)?, Some(MANAGED_BY)).await;
            made.map(identity).map_err(|error| failed(&error))
        })
    }

    fn update<'a>(&'a self, id: &'a str) -> Answer<'a, Identity, IdentityError> {
        Box::pin(async move {
            let updated = self.daemon.identities().update(&module_id(id)?).await;
            updated.map(identity).map_err(|error| failed(&error))
        })
    }

    fn delete<'a>(&'a self, id: &'a str) -> Answer<'a, (), IdentityError> {
        Box::pin(async move {
            self.daemon.identities().delete(&module_id(id)?).await.map_err(|error| failed(&error))
        })
    }
}

impl Provisioning for Ports {
    fn refused(&self) {
        self.daemon.refused();
    }

    fn clock_ahead_seconds(&self) -> Option<i64> {
        self.daemon.clock_ahead_seconds()
    }
}

impl Sealer for Ports {
    fn seal(&self, plain: Vec<u8>) -> Answer<'_, Vec<u8>, SealError> {
        Box::pin(async move {
            let mut vector = vec![0; VECTOR_BYTES];
            self.random.fill(&mut vector);
            let sealed = self.daemon.encrypt(&agent_id(), BACKUP, vector.clone(), plain).await;
            let sealed = sealed.map_err(|error| SealError { reason: error.to_string() })?;
            vector.extend_from_slice(&sealed);
            Ok(vector)
        })
    }

    fn open(&self, sealed: Vec<u8>) -> Answer<'_, Vec<u8>, SealError> {
        Box::pin(async move {
            let (vector, sealed) = sealed
                .split_at_checked(VECTOR_BYTES)
                .ok_or_else(|| SealError { reason: "it was cut off".to_owned() })?;
            let opened = self.daemon.decrypt(&agent_id(), BACKUP, vector.to_vec(), sealed.to_vec()).await;
            opened.map(|plain| plain.to_vec()).map_err(|error| SealError { reason: error.to_string() })
        })
    }
}

impl Bundles for Ports {
    fn make(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        runtime_only: bool,
    ) -> Answer<'_, Bytes, UploadError> {
        Box::pin(async move {
            let query = BundleQuery { since, until, edge_runtime_only: runtime_only, hub: None };
            let made = self.daemon.support_bundle(query).await;
            made.map(Bytes::from).map_err(|error| UploadError { reason: error.to_string() })
        })
    }
}

impl HostSource for Ports {
    fn figures(&self) -> Answer<'_, HostFigures, HostError> {
        Box::pin(async {
            let lost = || HostError { reason: "reading them broke off".to_owned() };
            self.daemon.usage().await.map(|usage| figures(&usage)).ok_or_else(lost)
        })
    }
}

/// As `/systeminfo/resources` names them.
fn figures(usage: &Map<String, Value>) -> HostFigures {
    let number = |key: &str| usage.get(key).and_then(Value::as_f64).unwrap_or_default();
    let bytes = |of: &Value, key: &str| of[key].as_u64().unwrap_or_default();
    let whole = Value::Object(usage.clone());
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let disks = whole["disks"].as_array().into_iter().flatten().map(|disk| Disk {
        name: text(disk, "name"),
        file_system: text(disk, "file_system"),
        file_type: text(disk, "file_type"),
        available_bytes: bytes(disk, "available_space"),
        bytes: bytes(disk, "total_space"),
    });
    HostFigures {
        uptime_seconds: number("host_uptime"),
        daemon_uptime_seconds: number("process_uptime"),
        cpu_percent: number("used_cpu"),
        memory_used_bytes: bytes(&whole, "used_ram"),
        memory_bytes: bytes(&whole, "total_ram"),
        disks: disks.collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_daemons_words_become_the_agents_figures() {
        let usage = json!({
            "host_uptime": 10, "process_uptime": 5, "used_cpu": 12.5, "used_ram": 7, "total_ram": 9,
            "disks": [{"name": "/dev/a", "available_space": 1, "total_space": 2, "file_system": "ext4",
                       "file_type": "Unknown"}],
        });
        let read = figures(usage.as_object().unwrap());
        assert_eq!((read.uptime_seconds, read.daemon_uptime_seconds, read.cpu_percent), (10.0, 5.0, 12.5));
        assert_eq!((read.memory_used_bytes, read.memory_bytes), (7, 9));
        assert_eq!((read.disks[0].available_bytes, read.disks[0].bytes), (1, 2));
    }
}
