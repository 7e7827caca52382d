//! What modules have encrypted for them: the agent its backup, the hub its cache of identities.
//!
//! ```text
//! version 2, written and read:   0x02 ++ ciphertext ++ tag
//! version 1, read only:          0x01 ++ tag ++ ciphertext     (1.1 installations, with their master key)
//! ```
//!
//! The module and its generation are authenticated with the text, so one module cannot open another's. The
//! vector comes from the caller, and clients use the same one again and again; the format is older than we
//! are.

use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::gcm::TAG_BYTES;
use crate::store::KeyStore;

/// The original's name of the key.
pub const MASTER_ENCRYPTION_KEY: &str = "iotedge_master_encryption_id";

const WRITTEN: u8 = 2;
const OLD: u8 = 1;

/// Encrypts for a module; the key is made on the first call.
pub fn seal(
    store: &dyn KeyStore,
    module: &str,
    generation: &str,
    iv: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, KeyError> {
    store.make_key(MASTER_ENCRYPTION_KEY)?;
    let sealed = store.encrypt(MASTER_ENCRYPTION_KEY, iv, &owner(module, generation), plaintext)?;
    let mut out = Vec::with_capacity(1 + sealed.len());
    out.push(WRITTEN);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Decrypts what [`seal`] or the original has made for the module.
pub fn open(
    store: &dyn KeyStore,
    module: &str,
    generation: &str,
    iv: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (version, rest) = sealed.split_first().ok_or(KeyError::Sealed)?;
    let (ciphertext, tag) = match *version {
        WRITTEN => rest.split_last_chunk::<TAG_BYTES>(),
        OLD => rest.split_first_chunk::<TAG_BYTES>().map(|(tag, ciphertext)| (ciphertext, tag)),
        version => return Err(KeyError::Version { version }),
    }
    .ok_or(KeyError::Sealed)?;
    match store.decrypt(MASTER_ENCRYPTION_KEY, iv, &owner(module, generation), ciphertext, tag) {
        // Without the key nothing that was sealed with it opens.
        Err(KeyError::NotFound { .. }) => Err(KeyError::Sealed),
        outcome => outcome,
    }
}

fn owner(module: &str, generation: &str) -> Vec<u8> {
    [module.as_bytes(), generation.as_bytes()].concat()
}
