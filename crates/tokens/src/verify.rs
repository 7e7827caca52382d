//! Is a token genuine and still good: signature against one of two keys, expiry against a given moment.
//!
//! Both keys are always tried and compared in constant time, so that timing tells neither how much of a
//! signature is right nor which key made it. The signature is checked before the expiry: only who holds a
//! key learns that the token would have been good.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use skerry_model::Timestamp;

use crate::{KeyUse, SasToken, SharedKey};

/// How far clocks may be apart: a token is good until its expiry plus this.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// The two keys of an identity or a policy; either may sign, so that keys can be rolled.
#[derive(Clone, Copy, Debug)]
pub struct KeyPair<'a> {
    pub primary: &'a SharedKey,
    pub secondary: &'a SharedKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedKey {
    Primary,
    Secondary,
}

impl SasToken {
    /// Says which key signed, if one did and `now` is not past the expiry plus `skew`.
    pub fn verify(
        &self,
        keys: KeyPair<'_>,
        usage: KeyUse,
        now: Timestamp,
        skew: Duration,
    ) -> Result<MatchedKey, VerifyError> {
        let primary = self.is_signed_by(keys.primary, usage);
        let secondary = self.is_signed_by(keys.secondary, usage);
        let matched = match (primary, secondary) {
            (true, _) => MatchedKey::Primary,
            (false, true) => MatchedKey::Secondary,
            (false, false) => return Err(VerifyError::Signature),
        };
        if now > self.ends_at(skew) {
            return Err(VerifyError::Expired { expiry: self.expiry(), now });
        }
        Ok(matched)
    }

    /// When a connection opened with this token has to end.
    pub fn ends_at(&self, skew: Duration) -> Timestamp {
        self.expiry().plus(skew)
    }

    fn is_signed_by(&self, key: &SharedKey, usage: KeyUse) -> bool {
        let tag = key.sign(usage, &[self.resource.as_bytes(), b"\n", self.expiry_text.as_bytes()]);
        verify_slices_are_equal(tag.as_ref(), &self.signature).is_ok()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error(
        "the signature matches neither the primary nor the secondary key: check that the key is the current one of this identity, and that `sr` and `se` are signed exactly as they are sent"
    )]
    Signature,
    #[error(
        "the token expired at {expiry} and it is {now} now: issue a new one, and check the clock of the client"
    )]
    Expired { expiry: Timestamp, now: Timestamp },
}
