//! Setting the modules of an edge device: one content, one commit.
//!
//! Modules that the content names and the device lacks are made with their desired properties; the device is touched
//! then, so that two who make modules at once cannot both make the fiftieth. Otherwise its document is only looked
//! at, so that nothing is written to modules of a device that is deleted, or no edge device any more.

use skerry_model::deployment::Content;
use skerry_model::twin::Write;
use skerry_model::{DeviceId, Timestamp};
use skerry_store::documents::{Action, Change, Expect, Lane};

use super::{CHANGE_TRIES_MAX, Note, Record, Registry, RegistryError, Settled};
use crate::spaces::{device_key, module_key};

impl Registry {
    /// Applies `content` to one edge device and its modules, once. All of it, or nothing.
    pub async fn apply_content(&self, device: &DeviceId, content: &Content) -> Result<(), RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let owner = self.device(device).await?;
            let changes = self.changes_of(&owner, content).await?;
            if let Settled::Committed = self.settle(device, changes, Lane::Interactive).await? {
                return Ok(());
            }
        }
        Err(RegistryError::Contended)
    }

    async fn changes_of(&self, owner: &Record, content: &Content) -> Result<Vec<Change>, RegistryError> {
        let device = &owner.identity.device;
        if !owner.identity.edge {
            return Err(RegistryError::NotEdge { device: device.to_string() });
        }
        if content.module.is_some() {
            let what = "moduleContent is for modules that a condition finds, name them in modulesContent";
            return Err(RegistryError::ContentKind { what });
        }
        let Some(modules) = content.modules.as_ref() else {
            let what = "modulesContent is missing, an edge device has its modules set";
            return Err(RegistryError::ContentKind { what });
        };
        let (now, mut made, mut changes) = (self.clock.now(), 0, Vec::with_capacity(modules.len() + 1));
        for (module, writes) in modules {
            match self.read(&module_key(device, module)).await? {
                Some(before) if writes.is_empty() => drop(before),
                Some(before) => changes.push(written(&before, module.as_str(), writes, now)?),
                None => {
                    let mut record = self.edge_module(owner, module.clone(), now);
                    write(&mut record, module.as_str(), writes, now)?;
                    changes.push(self.put(&record, Expect::Absent)?);
                    made += 1;
                }
            }
        }
        if made > 0 {
            self.check_room(device, made).await?;
        }
        let of_device = match content.device.as_deref() {
            Some(writes) => written(owner, "the device", writes, now)?,
            None => Change {
                key: device_key(device),
                expect: Expect::Revision(owner.revision),
                action: if made > 0 { Action::Touch } else { Action::Check },
                note: Vec::new(),
            },
        };
        changes.insert(0, of_device);
        Ok(changes)
    }
}

fn written(before: &Record, of: &str, writes: &[Write], now: Timestamp) -> Result<Change, RegistryError> {
    let mut record = before.clone();
    write(&mut record, of, writes, now)?;
    Ok(Change {
        key: record.key(),
        expect: Expect::Revision(before.revision),
        action: Action::Update(record.twin_update(&before.twin)),
        note: Note::written(&before.twin, &record.twin).encode(),
    })
}

fn write(record: &mut Record, of: &str, writes: &[Write], now: Timestamp) -> Result<(), RegistryError> {
    let failed = |error| RegistryError::Written { of: of.to_owned(), error };
    record.twin.write(writes, now).map_err(failed)
}
