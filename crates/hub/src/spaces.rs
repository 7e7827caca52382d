//! The families of documents that the hub keeps. The numbers are on disk: never reuse one.

use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::{Key, Space};

/// Devices: group is the device id, the name is empty.
pub const DEVICES: Space = Space::new(1);
/// Modules: group is the device id, the name is the module id.
pub const MODULES: Space = Space::new(2);
/// What devices and modules subscribed to: group is the device id, the name is the module id.
pub const SUBSCRIPTIONS: Space = Space::new(16);
/// Commands that wait for devices and modules: group is the device id, the name says whose and which.
pub const COMMANDS: Space = Space::new(17);
/// What became of commands whose senders want to know: group and name are those of the command.
pub const FEEDBACK: Space = Space::new(18);
/// Notices about files: group is the device id, the name grows with time.
pub const FILE_NOTICES: Space = Space::new(19);
/// Certificate authorities; the name is theirs.
pub const AUTHORITIES: Space = Space::new(20);
/// Their group, whose name no device can have.
pub(crate) const AUTHORITIES_GROUP: &str = "/authorities";
/// Consumer groups; the name is theirs in lower case.
pub const CONSUMER_GROUPS: Space = Space::new(21);
/// Their group, whose name no device can have.
pub(crate) const CONSUMER_GROUPS_GROUP: &str = "/consumer-groups";
/// Uploads that a device has begun: group is the device id, the name is empty.
pub const UPLOADS: Space = Space::new(32);

pub(crate) fn authority_key(name: &str) -> Key {
    Key::new(AUTHORITIES, AUTHORITIES_GROUP, name)
}

pub(crate) fn consumer_group_key(name: &str) -> Key {
    Key::new(CONSUMER_GROUPS, CONSUMER_GROUPS_GROUP, name)
}

pub(crate) fn device_key(device: &DeviceId) -> Key {
    Key::new(DEVICES, device.as_str(), "")
}

pub(crate) fn module_key(device: &DeviceId, module: &ModuleId) -> Key {
    Key::new(MODULES, device.as_str(), module.as_str())
}

pub(crate) fn subscriptions_key(device: &DeviceId, module: Option<&ModuleId>) -> Key {
    Key::new(SUBSCRIPTIONS, device.as_str(), module.map_or("", ModuleId::as_str))
}

pub(crate) fn uploads_key(device: &DeviceId) -> Key {
    Key::new(UPLOADS, device.as_str(), "")
}

pub(crate) fn file_notice_key(device: &DeviceId, name: &str) -> Key {
    Key::new(FILE_NOTICES, device.as_str(), name)
}

/// The key of a device, or of a module on it.
pub(crate) fn identity_key(device: &DeviceId, module: Option<&ModuleId>) -> Key {
    module.map_or_else(|| device_key(device), |module| module_key(device, module))
}
