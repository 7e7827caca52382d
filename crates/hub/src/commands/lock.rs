//! Who holds a command, and by what.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use skerry_model::{DeviceId, IdentityId, ModuleId, Random};

/// Whose queue is meant. One of an older generation than the queue's finds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub identity: IdentityId,
    pub generation: String,
}

impl Recipient {
    pub fn new(device: DeviceId, module: Option<ModuleId>, generation: impl Into<String>) -> Self {
        Self { identity: IdentityId { device, module }, generation: generation.into() }
    }
}

/// A connection, by a number of its own in this process; newer ones have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// How long a command is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// So long, unless it is settled before.
    Timed(Duration),
    /// Until it is settled, or the session's holds are released.
    Held(SessionId),
}

/// Sixteen random bytes, written as clients write GUIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockToken(pub u128);

/// The text is no lock token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no lock token, send the one that came with the message")]
pub struct LockTokenError {
    pub text: String,
}

impl LockToken {
    pub(super) fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl FromStr for LockToken {
    type Err = LockTokenError;

    /// With or without quotes and dashes, in any case.
    fn from_str(text: &str) -> Result<Self, LockTokenError> {
        let digits: String = text.chars().filter(|c| !matches!(c, '"' | '-')).collect();
        let is_hex = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
        number.map(Self).ok_or_else(|| LockTokenError { text: text.chars().take(64).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_from_their_text() {
        let token = LockToken(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(token.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        for text in [token.to_string(), format!("\"{token}\"").to_uppercase()] {
            assert_eq!(text.parse(), Ok(token), "{text}");
        }
        for text in ["", "1", "+1234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdeé"]
        {
            assert!(text.parse::<LockToken>().is_err(), "{text}");
        }
    }
}
