//! Modules: create, update, delete, list.
//!
//! Creating one gives its device a new revision in the same commit, so that two modules created at
//! once cannot both be the fiftieth, and none appears on a device that is being deleted.

use skerry_model::identity::Identity;
use skerry_model::identity::wire::IdentityDocument;
use skerry_model::limits::MODULES_PER_DEVICE_MAX;
use skerry_model::twin::{Twin, TwinPatch};
use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::{Action, Change, Expect, Lane, Scan};

use super::{CHANGE_TRIES_MAX, Precondition, Record, Registry, RegistryError, Settled};
use crate::spaces::{MODULES, device_key, module_key, subscriptions_key};

impl Registry {
    pub async fn get_module(&self, device: &DeviceId, module: &ModuleId) -> Result<Record, RegistryError> {
        self.module(device, module).await
    }

    pub async fn list_modules(&self, device: &DeviceId) -> Result<Vec<Record>, RegistryError> {
        self.device(device).await?;
        self.collect(self.modules_of(device), usize::MAX).await
    }

    pub(super) fn modules_of(&self, device: &DeviceId) -> Scan {
        Scan {
            group: Some(device.as_str().to_owned()),
            at_least: Some(self.documents.revision()),
            ..Scan::all(MODULES)
        }
    }

    /// Whether so many more modules may be on the device.
    pub(super) async fn check_room(&self, device: &DeviceId, more: usize) -> Result<(), RegistryError> {
        let present = self.documents.count(self.modules_of(device)).await?;
        if present + more as u64 > MODULES_PER_DEVICE_MAX as u64 {
            return Err(RegistryError::TooManyModules { device: device.to_string() });
        }
        Ok(())
    }

    /// Creates the module, or with a precondition updates it.
    pub async fn put_module(
        &self,
        device: &DeviceId,
        module: &ModuleId,
        document: &IdentityDocument,
        precondition: &Precondition,
    ) -> Result<Record, RegistryError> {
        match precondition {
            Precondition::None => {
                self.create_module(device, module, document, &TwinPatch::default(), Lane::Interactive).await
            }
            _ => self.update_module(device, module, document, precondition, Lane::Interactive).await,
        }
    }

    pub(super) async fn create_module(
        &self,
        device: &DeviceId,
        module: &ModuleId,
        document: &IdentityDocument,
        twin_start: &TwinPatch,
        lane: Lane,
    ) -> Result<Record, RegistryError> {
        let now = self.clock.now();
        let (owner, generation) = (device.clone(), self.new_generation());
        let mut identity = Identity::new(owner, Some(module.clone()), generation, self.new_etag());
        identity.managed_by = document.managed_by.clone().filter(|name| !name.is_empty());
        self.apply_document(&mut identity, document, now)?;
        identity.edge = false;
        let mut twin = Twin::new(now);
        twin.patch(twin_start, now)?;
        let record = Record { identity, twin, revision: self.documents.revision() };
        let put = self.put(&record, Expect::Absent)?;
        for _ in 0..CHANGE_TRIES_MAX {
            let owner = self.device(device).await?;
            if self.read(&module_key(device, module)).await?.is_some() {
                return Err(RegistryError::ModuleExists {
                    device: device.to_string(),
                    module: module.to_string(),
                });
            }
            if module.is_system() {
                return Err(RegistryError::SystemModule { module: module.to_string() });
            }
            self.check_room(device, 1).await?;
            let touch = Change {
                key: device_key(device),
                expect: Expect::Revision(owner.revision),
                action: Action::Touch,
                note: Vec::new(),
            };
            if let Settled::Committed = self.settle(device, vec![touch, put.clone()], lane).await? {
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }

    pub(super) async fn update_module(
        &self,
        device: &DeviceId,
        module: &ModuleId,
        document: &IdentityDocument,
        precondition: &Precondition,
        lane: Lane,
    ) -> Result<Record, RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let before = self.module(device, module).await?;
            precondition.check(&before.identity.etag_text())?;
            let mut record = before.clone();
            self.apply_document(&mut record.identity, document, self.clock.now())?;
            record.identity.edge = false;
            if let Some(managed_by) = &document.managed_by {
                record.identity.managed_by = Some(managed_by.clone()).filter(|name| !name.is_empty());
            }
            record.identity.etag += 1;
            let change = Change {
                key: record.key(),
                expect: Expect::Revision(before.revision),
                action: Action::Update(record.identity_update(&self.sealer)?),
                note: Vec::new(),
            };
            if let Settled::Committed = self.settle(device, vec![change], lane).await? {
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }

    pub async fn delete_module(
        &self,
        device: &DeviceId,
        module: &ModuleId,
        precondition: &Precondition,
    ) -> Result<(), RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let record = self.module(device, module).await?;
            if module.is_system() {
                return Err(RegistryError::SystemModule { module: module.to_string() });
            }
            precondition.check(&record.identity.etag_text())?;
            let changes = self.removal(device, module, Expect::Revision(record.revision)).await?;
            if let Settled::Committed = self.settle(device, changes, Lane::Interactive).await? {
                self.connections.forget(&record.key());
                return Ok(());
            }
        }
        Err(RegistryError::Contended)
    }

    /// The module with all that is kept for it.
    pub(super) async fn removal(
        &self,
        device: &DeviceId,
        module: &ModuleId,
        expect: Expect,
    ) -> Result<Vec<Change>, RegistryError> {
        let delete = |key, expect| Change { key, expect, action: Action::Delete, note: Vec::new() };
        let mut changes = vec![
            delete(module_key(device, module), expect),
            delete(subscriptions_key(device, Some(module)), Expect::Anything),
        ];
        changes.extend(self.queue_removal(device, module).await?);
        Ok(changes)
    }
}
