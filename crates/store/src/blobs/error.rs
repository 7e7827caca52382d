//! What can go wrong with blobs, and what to do then.

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WriteError {
    #[error(
        "the blob store has no room, it holds {bytes_max} bytes at most; delete blobs or raise its bound"
    )]
    Full { bytes_max: u64 },
    #[error("the disk of the blob store is full; free some space, it goes on by itself")]
    DiskFull,
    #[error("a blob has at most {bytes_max} bytes; send less, or raise the bound")]
    BlobTooLarge { bytes_max: u64 },
    #[error("the blob store has {blobs_max} blobs, no more are allowed; delete some")]
    TooManyBlobs { blobs_max: usize },
    #[error("a blob has at most {blocks_max} blocks; send larger ones")]
    TooManyBlocks { blocks_max: usize },
    #[error("the name of a blob has 1 to {chars_max} characters")]
    Name { chars_max: usize },
    #[error("the id of a block has 1 to {bytes_max} bytes")]
    BlockId { bytes_max: usize },
    #[error("the attributes of a blob have at most {bytes_max} bytes")]
    Attributes { bytes_max: usize },
    /// The composition names a block that is not there.
    #[error("block {at} of the list was not written, or is forgotten; write it and compose again")]
    BlockNotFound { at: usize },
    /// An expectation did not hold; nothing was changed.
    #[error("the blob is at {found:?}, which is not what the write expects; look again and decide anew")]
    Conflict { found: Option<u64> },
    /// Whether it happened shows when the blob is looked at again.
    #[error("the blob store failed: {what}; check its disk")]
    Failed { what: String },
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The version that was asked for is there no more.
    #[error("the blob was replaced or deleted while it was read; read it again")]
    Gone,
    #[error("the blob {name:?} cannot be read back, {what}; write it again")]
    Damaged { name: String, what: String },
    #[error("the blob store failed: {what}; check its disk")]
    Failed { what: String },
}
