//! Shared keys: 16 to 64 bytes, written as base64, that sign SAS tokens with HMAC-SHA256.
//!
//! The base64 is read strictly (padding, no stray bits), so that a key has exactly one text. That matters
//! because the Event Hubs endpoint signs with the *text* of the key and the hub with its bytes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skerry_model::Random;
use zeroize::Zeroizing;

const BYTES_MIN: usize = 16;
const BYTES_MAX: usize = 64;
const GENERATED_BYTES: usize = 32;

/// What the endpoint takes as the HMAC key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Hub endpoints: the decoded bytes.
    Hub,
    /// Event Hubs endpoints: the bytes of the base64 text, not decoded.
    EventHubs,
}

/// A symmetric key of a policy, a device or a module. Prints as `***`.
#[derive(Clone)]
pub struct SharedKey(Zeroizing<Vec<u8>>);

impl SharedKey {
    /// A new key of 32 bytes.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new(vec![0; GENERATED_BYTES]);
        random.fill(&mut bytes);
        Self(bytes)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
            return Err(KeyError::Length { bytes: bytes.len() });
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The base64 text; the name is there to be noticed in a review.
    pub fn reveal(&self) -> String {
        STANDARD.encode(&*self.0)
    }

    /// The symmetric key of one device of an enrolment group, as the provisioning service derives it:
    /// HMAC-SHA256 of the registration id, taken exactly as given, with the group's key.
    #[must_use]
    pub fn derive_for(&self, registration_id: &str) -> Self {
        let tag = self.sign(KeyUse::Hub, &[registration_id.as_bytes()]);
        Self(Zeroizing::new(tag.as_ref().to_vec()))
    }

    /// HMAC-SHA256 over the parts, one after the other.
    pub(crate) fn sign(&self, usage: KeyUse, parts: &[&[u8]]) -> hmac::Tag {
        let key = match usage {
            KeyUse::Hub => hmac::Key::new(hmac::HMAC_SHA256, &self.0),
            KeyUse::EventHubs => {
                let text = Zeroizing::new(self.reveal());
                hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())
            }
        };
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

impl FromStr for SharedKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // 64 bytes are 88 characters; what is longer is refused before anything is decoded.
        if text.len() > BYTES_MAX.div_ceil(3) * 4 {
            return Err(KeyError::Length { bytes: text.len() / 4 * 3 });
        }
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| KeyError::NotBase64)?);
        Self::from_bytes(&bytes)
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SharedKey {}

/// The text is not a shared key. The text itself is never repeated in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not base64: copy it whole, with the `=` at its end")]
    NotBase64,
    #[error("the key has {bytes} bytes: use one of 16 to 64 bytes, written as base64")]
    Length { bytes: usize },
}
