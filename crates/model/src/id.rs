//! Names of devices and modules: case-sensitive, at most 128 characters of a fixed set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{ID_CHARS_MAX, ID_PUNCTUATION};

/// The text cannot name a device or module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("the {what} is empty, give it 1 to {ID_CHARS_MAX} characters")]
    Empty { what: &'static str },
    #[error("the {what} has {chars} characters, at most {ID_CHARS_MAX} are allowed")]
    TooLong { what: &'static str, chars: usize },
    #[error(
        "the {what} holds {found:?}, only ASCII letters, digits and the punctuation \
         - : . + % _ # * ? ! ( ) , = @ $ ' and the semicolon are allowed"
    )]
    Character { what: &'static str, found: char },
}

fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if let Some(found) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || ID_PUNCTUATION.contains(*c))) {
        return Err(IdError::Character { what, found });
    }
    if text.len() > ID_CHARS_MAX {
        return Err(IdError::TooLong { what, chars: text.len() });
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// Names a device within its hub.
    DeviceId,
    "device id"
);
id!(
    /// Names a module within its device.
    ModuleId,
    "module id"
);

impl ModuleId {
    /// The two modules that belong to the edge runtime: clients can neither make nor remove them.
    pub fn is_system(&self) -> bool {
        self.0 == EDGE_AGENT || self.0 == EDGE_HUB
    }
}

/// Names of the edge runtime's own modules.
pub const EDGE_AGENT: &str = "$edgeAgent";
pub const EDGE_HUB: &str = "$edgeHub";

/// A device, or a module on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId {
    pub device: DeviceId,
    pub module: Option<ModuleId>,
}

impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            Some(module) => write!(f, "{}/{module}", self.device),
            None => write!(f, "{}", self.device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_the_documented_characters_only() {
        let longest = "x".repeat(128);
        for good in ["d1", "A-z:.+%_#*?!(),=@;$'", "$edgeAgent", longest.as_str()] {
            assert!(good.parse::<DeviceId>().is_ok(), "{good}");
        }
        let longer = "x".repeat(129);
        for bad in ["", "a b", "a/b", "ä", "a\"b", "a\n", "a&b", "a\\b", "a[b]", "a~b", longer.as_str()] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad}");
        }
        assert_ne!("Dev".parse::<DeviceId>(), "dev".parse::<DeviceId>());
    }
}
