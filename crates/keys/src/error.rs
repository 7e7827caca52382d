//! Why a key could not be used.

use crate::file::FileError;

/// An operation on a key failed. Nothing in the texts betrays a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no key {id:?}: create it, or name its file in [preloaded_keys]")]
    NotFound { id: String },
    #[error("the id {id:?} cannot name a key: use 1 to {max} characters")]
    Id { id: String, max: usize },
    #[error(
        "the key {id:?} holds no usable bytes: restore it from a backup, or delete it to have a new one made"
    )]
    Damaged { id: String },
    #[error("the key {id:?} has {bytes} bytes, this operation needs {needed}")]
    Length { id: String, bytes: usize, needed: &'static str },
    #[error("the key pair {id:?} is {is}, which does not sign this way")]
    Scheme { id: String, is: &'static str },
    #[error("the ciphertext does not open: its module, generation, vector or key is another")]
    Sealed,
    #[error("the ciphertext begins with byte {version}: only versions 1 and 2 are known")]
    Version { version: u8 },
    #[error("the initialization vector is empty: send at least one byte")]
    Vector,
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the crypto library refuses to {what}")]
    Library { what: &'static str },
}
