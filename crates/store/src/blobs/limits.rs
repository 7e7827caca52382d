//! How much an engine takes, and what fits into its names.

use super::{Attributes, WriteError};

/// Characters of a blob's name.
pub const NAME_CHARS_MAX: usize = 1024;
/// Bytes of a block's id.
pub const BLOCK_ID_BYTES_MAX: usize = 64;
/// Bytes of all attributes of a blob.
pub const ATTRIBUTES_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all blobs and blocks together.
    pub bytes_max: u64,
    pub blob_bytes_max: u64,
    /// Of one blob, and as many more that wait.
    pub blocks_max: usize,
    pub blobs_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 10 << 30, blob_bytes_max: 4 << 30, blocks_max: 50_000, blobs_max: 100_000 }
    }
}

pub(super) fn check_name(name: &str) -> Result<(), WriteError> {
    match name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        true => Err(WriteError::Name { chars_max: NAME_CHARS_MAX }),
        false => Ok(()),
    }
}

pub(super) fn check_block_id(id: &[u8]) -> Result<(), WriteError> {
    match id.is_empty() || id.len() > BLOCK_ID_BYTES_MAX {
        true => Err(WriteError::BlockId { bytes_max: BLOCK_ID_BYTES_MAX }),
        false => Ok(()),
    }
}

pub(super) fn check_attributes(attributes: &Attributes) -> Result<(), WriteError> {
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    match bytes > ATTRIBUTES_BYTES_MAX {
        true => Err(WriteError::Attributes { bytes_max: ATTRIBUTES_BYTES_MAX }),
        false => Ok(()),
    }
}
