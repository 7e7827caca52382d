//! What the hub keeps: documents, and who holds which connection. Small traits, one page of
//! guarantees each ([`documents`], [`bus`]), engines that keep them, and one suite of tests that
//! every engine passes. The guarantees are those that several machines can keep too.
#![forbid(unsafe_code)]

pub mod documents;
mod embedded;
mod memory;

pub use embedded::{BackupError, EmbeddedDocuments, EmbeddedOptions, IndexState, OpenError};
pub use memory::{MemoryDocuments, MemoryOptions, Weakness};
