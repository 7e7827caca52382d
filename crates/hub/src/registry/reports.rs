//! What a device or module says of itself: reported properties, and the model that it follows.

use serde_json::{Map, Value};
use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::{Action, Change, Expect, Lane, Update};

use super::note::Note;
use super::{CHANGE_TRIES_MAX, Record, Registry, RegistryError, Settled};

impl Registry {
    /// Merges reported properties, only into `version` where one is named.
    pub async fn report(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        patch: &Map<String, Value>,
        version: Option<u64>,
    ) -> Result<Record, RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let before = self.identity(device, module).await?;
            if let Some(sent) = version.filter(|sent| *sent != before.twin.reported.version()) {
                return Err(RegistryError::Stale { sent: sent.to_string() });
            }
            let mut record = before.clone();
            record.twin.report(patch, self.clock.now())?;
            let note = Note::reported(patch, record.twin.reported.version());
            let change = Change {
                key: record.key(),
                expect: Expect::Revision(before.revision),
                action: Action::Update(record.twin_update(&before.twin)),
                note: note.encode(),
            };
            if let Settled::Committed = self.settle(device, vec![change], Lane::Interactive).await? {
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }

    /// Notes the model that an identity announces; writes only when it is another one.
    pub(crate) async fn announce_model(&self, record: &Record, model: &str) -> Result<(), RegistryError> {
        let identity = &record.identity;
        let mut now = record.clone();
        for _ in 0..CHANGE_TRIES_MAX {
            if now.identity.model == model {
                return Ok(());
            }
            now.identity.model = model.to_owned();
            let Update { identity: part, .. } = now.identity_update(&self.sealer)?;
            let change = Change {
                key: now.key(),
                expect: Expect::Revision(now.revision),
                action: Action::Update(Update { identity: part, ..Update::default() }),
                note: Vec::new(),
            };
            if let Settled::Committed = self.settle(&identity.device, vec![change], Lane::Interactive).await?
            {
                return Ok(());
            }
            now = self.identity(&identity.device, identity.module.as_ref()).await?;
        }
        Err(RegistryError::Contended)
    }
}
