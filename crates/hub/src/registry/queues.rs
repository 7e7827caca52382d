//! Commands and feedback of a module go with it. Those of a device go with its group.

use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::{Action, Change, Expect, Key, Position, Scan};

use super::{Registry, RegistryError};
use crate::commands::{head_key, queue_prefix};
use crate::spaces::{COMMANDS, FEEDBACK};

impl Registry {
    /// Removes what waits for a module, as part of the commit that removes the module. A command
    /// that comes meanwhile changes the queue's head, and the commit is a conflict.
    pub(super) async fn queue_removal(
        &self,
        device: &DeviceId,
        module: &ModuleId,
    ) -> Result<Vec<Change>, RegistryError> {
        let at_least = Some(self.documents.latest().await?);
        let head = head_key(device, Some(module));
        let expect = match self.documents.get(&head, at_least).await? {
            Some(found) => Expect::Revision(found.revision),
            None => Expect::Absent,
        };
        let delete = |key: Key, expect| Change { key, expect, action: Action::Delete, note: Vec::new() };
        let mut changes = vec![delete(head, expect)];
        let prefix = queue_prefix(Some(module));
        for space in [COMMANDS, FEEDBACK] {
            let mut after = Some(Position { group: device.to_string(), name: prefix.clone() });
            while after.is_some() {
                let scan = Scan { group: Some(device.to_string()), after, at_least, ..Scan::all(space) };
                let page = self.documents.scan(scan).await?;
                after = page.next;
                for document in page.documents {
                    if !document.key.name.starts_with(&prefix) {
                        after = None;
                        break;
                    }
                    changes.push(delete(document.key, Expect::Anything));
                }
            }
        }
        Ok(changes)
    }
}
