//! Twins as operators change them.

use skerry_model::twin::{Twin, TwinError, TwinPatch};
use skerry_model::{DeviceId, ModuleId, Timestamp};
use skerry_store::documents::{Action, Change, Expect, Lane};

use super::{CHANGE_TRIES_MAX, Precondition, Record, Registry, RegistryError, Settled};

/// How a patch is applied to a twin.
type Apply = fn(&mut Twin, &TwinPatch, Timestamp) -> Result<(), TwinError>;

impl Registry {
    pub async fn get_twin(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<Record, RegistryError> {
        self.identity(device, module).await
    }

    /// Merges `patch` into tags and desired properties.
    pub async fn patch_twin(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        patch: &TwinPatch,
        precondition: &Precondition,
        lane: Lane,
    ) -> Result<Record, RegistryError> {
        self.change_twin(device, module, patch, precondition, lane, Twin::patch).await
    }

    /// Replaces tags and desired properties.
    pub async fn replace_twin(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        with: &TwinPatch,
        precondition: &Precondition,
    ) -> Result<Record, RegistryError> {
        self.change_twin(device, module, with, precondition, Lane::Interactive, Twin::replace).await
    }

    async fn change_twin(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        patch: &TwinPatch,
        precondition: &Precondition,
        lane: Lane,
        apply: Apply,
    ) -> Result<Record, RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let before = self.identity(device, module).await?;
            precondition.check(&before.twin.etag_text())?;
            let mut record = before.clone();
            apply(&mut record.twin, patch, self.clock.now())?;
            if record.twin == before.twin {
                return Ok(before);
            }
            let change = Change {
                key: record.key(),
                expect: Expect::Revision(before.revision),
                action: Action::Update(record.twin_update(&before.twin)),
                note: note(patch),
            };
            if let Settled::Committed = self.settle(device, vec![change], lane).await? {
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }
}

/// What followers see of a twin change: the patch as it came.
fn note(patch: &TwinPatch) -> Vec<u8> {
    let mut note = serde_json::Map::new();
    if let Some(tags) = &patch.tags {
        note.insert("tags".to_owned(), tags.clone().into());
    }
    if let Some(desired) = &patch.desired {
        note.insert("desired".to_owned(), desired.clone().into());
    }
    serde_json::Value::Object(note).to_string().into_bytes()
}
