//! Where commands lie: the names of their documents inside the device's group.
//!
//! ```text
//!  module                        the queue's head: the next sequence number (the device's own: empty)
//!  module/generation/sequence    one command; the sequence in sixteen digits, so that names sort by it
//! ```
//!
//! An id holds no slash. With the generation in the name no command is found by an identity that
//! was created anew under the same id.

use skerry_model::{DeviceId, IdentityId, ModuleId};
use skerry_store::documents::Key;

use crate::spaces::{COMMANDS, FEEDBACK};

/// Where a queue keeps the number of its next command.
pub(crate) fn head_key(device: &DeviceId, module: Option<&ModuleId>) -> Key {
    Key::new(COMMANDS, device.as_str(), module_name(module))
}

/// What all names of an identity's commands begin with, of every generation.
pub(crate) fn queue_prefix(module: Option<&ModuleId>) -> String {
    format!("{}/", module_name(module))
}

fn module_name(module: Option<&ModuleId>) -> &str {
    module.map_or("", ModuleId::as_str)
}

/// The same for one generation.
pub(super) fn prefix(identity: &IdentityId, generation: &str) -> String {
    format!("{}/{generation}/", module_name(identity.module.as_ref()))
}

pub(super) fn command_key(identity: &IdentityId, generation: &str, sequence: u64) -> Key {
    let name = format!("{}{sequence:016x}", prefix(identity, generation));
    Key::new(COMMANDS, identity.device.as_str(), name)
}

/// Beside the command, under the same name.
pub(super) fn feedback_key(command: &Key) -> Key {
    Key::new(FEEDBACK, command.group.as_str(), command.name.as_str())
}

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) identity: IdentityId,
    pub(super) generation: String,
    pub(super) sequence: u64,
}

/// `None` for a queue's head.
pub(super) fn read_key(key: &Key) -> Option<Named> {
    let mut parts = key.name.split('/');
    let (module, generation, sequence) = (parts.next()?, parts.next()?, parts.next()?);
    let module = if module.is_empty() { None } else { Some(module.parse().ok()?) };
    Some(Named {
        identity: IdentityId { device: key.group.parse().ok()?, module },
        generation: generation.to_owned(),
        sequence: u64::from_str_radix(sequence, 16).ok()?,
    })
}

/// Generations are decimal numbers that grow.
pub(super) fn is_newer(generation: &str, than: &str) -> bool {
    (generation.len(), generation) > (than.len(), than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_by_sequence() {
        let identity = IdentityId { device: "d1".parse().unwrap(), module: Some("m1".parse().unwrap()) };
        let (first, later) = (command_key(&identity, "637", 9), command_key(&identity, "637", 16));
        assert!(first < later);
        let named = Named { identity: identity.clone(), generation: "637".into(), sequence: 16 };
        assert_eq!(read_key(&later), Some(named));
        assert!(later.name.starts_with(&queue_prefix(identity.module.as_ref())));
        assert_eq!(read_key(&head_key(&identity.device, identity.module.as_ref())), None);
        assert!(is_newer("1000", "999") && !is_newer("999", "999"));
    }
}
