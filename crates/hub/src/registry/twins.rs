//! Twins as operators change them.

use skerry_model::twin::TwinPatch;
use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::{Action, Change, Expect, Lane};

use super::note::Note;
use super::{CHANGE_TRIES_MAX, Precondition, Record, Registry, RegistryError, Settled};

/// How a document is applied to a twin.
#[derive(Clone, Copy)]
enum Apply {
    Merge,
    Replace,
}

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
        self.change_twin(device, module, patch, precondition, lane, Apply::Merge).await
    }

    /// Replaces tags and desired properties.
    pub async fn replace_twin(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        with: &TwinPatch,
        precondition: &Precondition,
    ) -> Result<Record, RegistryError> {
        self.change_twin(device, module, with, precondition, Lane::Interactive, Apply::Replace).await
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
            let now = self.clock.now();
            let note = match apply {
                Apply::Merge => {
                    record.twin.patch(patch, now)?;
                    Note::patched(patch, &record.twin)
                }
                Apply::Replace => {
                    record.twin.replace(patch, now)?;
                    Note::replaced(&before.twin, &record.twin)
                }
            };
            if record.twin == before.twin {
                return Ok(before);
            }
            let change = Change {
                key: record.key(),
                expect: Expect::Revision(before.revision),
                action: Action::Update(record.twin_update(&before.twin)),
                note: note.encode(),
            };
            if let Settled::Committed = self.settle(device, vec![change], lane).await? {
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }
}
