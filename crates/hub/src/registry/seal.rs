//! Device keys at rest: encrypted with a key that lies beside the data, or where the owner put it.
//!
//! The associated data names the identity and its generation, so that sealed keys moved to
//! another document do not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use skerry_model::identity::{Identity, SymmetricKeys};

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 12;

/// Bytes of the key that seals device keys.
pub const SEAL_KEY_BYTES: usize = 32;

/// Seals and opens device keys.
pub struct Sealer {
    key: RandomizedNonceKey,
    /// What other keys are derived from.
    root: hkdf::Prk,
}

/// Sealed keys do not open: another key file, or damaged data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the keys of {identity} cannot be opened with this device key file; put back the file that belongs to the data"
)]
pub struct SealError {
    pub identity: String,
}

impl Sealer {
    pub fn new(raw: &[u8; SEAL_KEY_BYTES]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, raw).expect("a key of 32 bytes fits AES-256");
        // Without salt: the key is random already.
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(raw);
        Self { key, root }
    }

    /// A key for another purpose: the same each time, and of no use for finding this one.
    pub fn derive(&self, purpose: &str) -> [u8; SEAL_KEY_BYTES] {
        let mut derived = [0; SEAL_KEY_BYTES];
        let filled = self
            .root
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(&mut derived));
        filled.expect("32 bytes are less than HKDF gives");
        derived
    }

    pub fn seal(&self, identity: &Identity, keys: &SymmetricKeys) -> Result<Vec<u8>, SealError> {
        let text = format!("{}\n{}", keys.primary(), keys.secondary());
        self.seal_bytes(&context(identity), text.as_bytes()).ok_or_else(|| failure(identity))
    }

    pub fn open(&self, identity: &Identity, sealed: &[u8]) -> Result<SymmetricKeys, SealError> {
        let text =
            self.open_bytes(&context(identity), sealed).and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| failure(identity))?;
        let (primary, secondary) = text.split_once('\n').ok_or_else(|| failure(identity))?;
        SymmetricKeys::new(primary.to_owned(), secondary.to_owned()).map_err(|_| failure(identity))
    }

    /// Seals any bytes; `context` must be given again to open them.
    pub fn seal_bytes(&self, context: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut text = bytes.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut text).ok()?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + text.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Some(sealed)
    }

    pub fn open_bytes(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (format, rest) = sealed.split_first()?;
        if *format != FORMAT || rest.len() < NONCE_BYTES {
            return None;
        }
        let (nonce, text) = rest.split_at(NONCE_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

fn context(identity: &Identity) -> String {
    let module = identity.module.as_ref().map_or("", skerry_model::ModuleId::as_str);
    format!("{}/{module}/{}", identity.device, identity.generation)
}

fn failure(identity: &Identity) -> SealError {
    SealError { identity: identity.device.to_string() }
}
