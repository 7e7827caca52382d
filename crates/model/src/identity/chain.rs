//! On whose behalf an edge hub speaks: the identities from the one that is meant up to the device that asks.

use std::fmt;

use crate::limits::{EDGE_GENERATIONS_MAX, ID_CHARS_MAX};
use crate::{DeviceId, IdError, ModuleId};

/// `leaf;child;parent`: each behind the next, the one that asks last. The first may be a module, as `device/module`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthChain {
    devices: Vec<DeviceId>,
    module: Option<ModuleId>,
}

/// The text is not a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("the chain of devices is empty, name at least the device that asks")]
    Empty,
    #[error("the chain names more devices than can stand behind each other, {DEVICES_MAX} are the most")]
    TooLong,
    #[error("the chain cannot be read, {0}")]
    Id(#[from] IdError),
}

/// A leaf behind a full row of edge devices.
const DEVICES_MAX: usize = EDGE_GENERATIONS_MAX + 1;
/// With a module before its device.
const TEXT_BYTES_MAX: usize = (DEVICES_MAX + 2) * (ID_CHARS_MAX + 1);

impl AuthChain {
    pub fn parse(text: &str) -> Result<Self, ChainError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ChainError::TooLong);
        }
        let mut names = text.split(';').filter(|name| !name.is_empty());
        let first = names.next().ok_or(ChainError::Empty)?;
        let (device, module) = match first.split_once('/') {
            Some((device, module)) => (device, Some(module.parse()?)),
            None => (first, None),
        };
        let mut devices = vec![device.parse::<DeviceId>()?];
        for (at, name) in names.enumerate() {
            // A module is followed by its own device.
            if at == 0 && module.is_some() && name == device {
                continue;
            }
            if devices.len() == DEVICES_MAX {
                return Err(ChainError::TooLong);
            }
            devices.push(name.parse()?);
        }
        Ok(Self { devices, module })
    }

    /// The device that is meant, or whose module is.
    pub fn target(&self) -> &DeviceId {
        &self.devices[0]
    }

    pub fn module(&self) -> Option<&ModuleId> {
        self.module.as_ref()
    }

    /// From the one that is meant to the one that asks; never empty.
    pub fn devices(&self) -> &[DeviceId] {
        &self.devices
    }
}

impl fmt::Display for AuthChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(module) = &self.module {
            write!(f, "{}/{module};", self.devices[0])?;
        }
        let names: Vec<&str> = self.devices.iter().map(DeviceId::as_str).collect();
        f.write_str(&names.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_read_as_edge_hubs_write_them() {
        let table = [
            ("edge", vec!["edge"], None),
            ("leaf;edge", vec!["leaf", "edge"], None),
            ("edge/$edgeHub;edge", vec!["edge"], Some("$edgeHub")),
            ("child/m1;child;edge", vec!["child", "edge"], Some("m1")),
            ("leaf;e1;e2;e3;e4;e5;", vec!["leaf", "e1", "e2", "e3", "e4", "e5"], None),
        ];
        for (text, devices, module) in table {
            let chain = AuthChain::parse(text).unwrap();
            let found: Vec<&str> = chain.devices().iter().map(DeviceId::as_str).collect();
            assert_eq!((found, chain.module().map(ModuleId::as_str)), (devices, module), "{text}");
            assert_eq!(AuthChain::parse(&chain.to_string()), Ok(chain), "{text}");
        }
        assert_eq!(AuthChain::parse(""), Err(ChainError::Empty));
        assert_eq!(AuthChain::parse(";;"), Err(ChainError::Empty));
        assert_eq!(AuthChain::parse("l;1;2;3;4;5;6"), Err(ChainError::TooLong));
        assert_eq!(AuthChain::parse(&";".repeat(100_000)), Err(ChainError::TooLong));
        for bad in ["a b;edge", "leaf;edge/m", "/m;edge", "leaf/;leaf", "a/b/c"] {
            assert!(matches!(AuthChain::parse(bad), Err(ChainError::Id(_))), "{bad}");
        }
    }
}
