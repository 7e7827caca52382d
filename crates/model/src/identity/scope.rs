//! The scope of an edge device: the name by which its children say who their parent is.

use std::fmt;

use crate::DeviceId;

const PREFIX: &str = "ms-azure-iot-edge://";

/// `ms-azure-iot-edge://{device}-{digits}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeId(String);

/// The text is not a device scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a device scope, use the deviceScope of an edge device such as {PREFIX}gateway-1")]
pub struct ScopeError {
    pub found: String,
}

impl ScopeId {
    /// The scope of `device`; `digits` make it another one when the device is created anew.
    pub fn for_edge(device: &DeviceId, digits: u64) -> Self {
        Self(format!("{PREFIX}{device}-{digits}"))
    }

    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let scope = Self(text.to_owned());
        if scope.parent().is_none() {
            return Err(ScopeError { found: text.chars().take(200).collect() });
        }
        Ok(scope)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The edge device whose scope this is: the text between the prefix and the last hyphen.
    pub fn parent(&self) -> Option<DeviceId> {
        let (device, digits) = self.0.strip_prefix(PREFIX)?.rsplit_once('-')?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        device.parse().ok()
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_names_its_edge_device() {
        let device: DeviceId = "gate-way-1".parse().unwrap();
        let scope = ScopeId::for_edge(&device, 637);
        assert_eq!(scope.as_str(), "ms-azure-iot-edge://gate-way-1-637");
        assert_eq!(ScopeId::parse(scope.as_str()).unwrap().parent(), Some(device));
        for bad in [
            "",
            "gateway-1",
            "ms-azure-iot-edge://",
            "ms-azure-iot-edge://x",
            "ms-azure-iot-edge://-1",
            "ms-azure-iot-edge://x-y",
        ] {
            assert!(ScopeId::parse(bad).is_err(), "{bad}");
        }
    }
}
