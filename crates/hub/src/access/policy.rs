//! A policy: a name, two keys, and what their holders may do.

use std::fmt;
use std::str::FromStr;

use skerry_tokens::SharedKey;

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    RegistryRead,
    RegistryWrite,
    ServiceConnect,
    DeviceConnect,
}

impl Right {
    pub const ALL: [Right; 4] =
        [Right::RegistryRead, Right::RegistryWrite, Right::ServiceConnect, Right::DeviceConnect];

    pub fn as_str(self) -> &'static str {
        match self {
            Right::RegistryRead => "RegistryRead",
            Right::RegistryWrite => "RegistryWrite",
            Right::ServiceConnect => "ServiceConnect",
            Right::DeviceConnect => "DeviceConnect",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of rights. As text: names joined by commas, as the management plane writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

/// A word that is no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a right, use RegistryRead, RegistryWrite, ServiceConnect or DeviceConnect, joined by commas"
)]
pub struct RightsError {
    pub found: String,
}

impl Rights {
    pub const NONE: Rights = Rights(0);

    pub fn of(rights: &[Right]) -> Self {
        rights.iter().fold(Self::NONE, |all, right| Self(all.0 | right.bit()))
    }

    pub fn all() -> Self {
        Self::of(&Right::ALL)
    }

    /// Whether the right is in the set. Who may write the registry may read it.
    pub fn has(self, right: Right) -> bool {
        let implied = right == Right::RegistryRead && self.0 & Right::RegistryWrite.bit() != 0;
        implied || self.0 & right.bit() != 0
    }

    /// Whether at least one of `rights` is in the set.
    pub fn has_any(self, rights: &[Right]) -> bool {
        rights.iter().any(|right| self.has(*right))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = Right::ALL.into_iter().filter(|right| self.0 & right.bit() != 0);
        f.write_str(&held.map(Right::as_str).collect::<Vec<_>>().join(", "))
    }
}

impl FromStr for Rights {
    type Err = RightsError;

    fn from_str(text: &str) -> Result<Self, RightsError> {
        let mut rights = Rights::NONE;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let right = Right::ALL.into_iter().find(|right| word.eq_ignore_ascii_case(right.as_str()));
            let right = right.ok_or_else(|| RightsError { found: word.chars().take(64).collect() })?;
            rights = Rights(rights.0 | right.bit());
        }
        if rights == Rights::NONE {
            return Err(RightsError { found: text.chars().take(64).collect() });
        }
        Ok(rights)
    }
}

/// A policy with its keys.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub primary: SharedKey,
    pub secondary: SharedKey,
    pub rights: Rights,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_read_and_print_as_the_management_plane_does() {
        let rights: Rights = "registryread, ServiceConnect".parse().unwrap();
        assert_eq!(rights.to_string(), "RegistryRead, ServiceConnect");
        assert!(rights.has(Right::RegistryRead) && !rights.has(Right::RegistryWrite));
        assert!("RegistryWrite".parse::<Rights>().unwrap().has(Right::RegistryRead));
        assert_eq!("Root".parse::<Rights>().unwrap_err().found, "Root");
        assert!("".parse::<Rights>().is_err());
    }
}
