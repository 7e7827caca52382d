//! What hub and edge keep: documents, logs, who holds which connection, and who is present. Small
//! traits, one page of guarantees each ([`documents`], [`log`], [`bus`]), engines that keep them, and one suite of tests that
//! every engine passes. The guarantees are those that several machines can keep too.
#![forbid(unsafe_code)]

pub mod blobs;
pub mod bus;
pub mod documents;
mod embedded;
pub mod journal;
pub mod log;
mod memory;
mod presence;

pub use embedded::{BackupError, EmbeddedDocuments, EmbeddedOptions, OpenError};
pub use memory::{LogWeakness, MemoryDocuments, MemoryLog, MemoryLogOptions, MemoryOptions, Weakness};
pub use presence::{Presence, PresenceFull, PresenceOptions, PresenceTable};
