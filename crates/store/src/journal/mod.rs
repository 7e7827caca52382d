//! The embedded log: one journal of commit groups.

mod active;
mod block;
mod catalog;
mod chunks;
mod engine;
mod envelope;
mod files;
mod follow;
mod group;
mod index;
mod indexes;
mod inspect;
mod intake;
mod jobs;
mod ledger;
mod note;
mod options;
mod prelude;
mod read;
mod recent;
mod recover;
mod retain;
mod rewrite;
mod segment;
mod shared;
mod signal;
mod walk;
mod wire;
mod writer;

pub use engine::Journal;
pub use files::{Directory, File, Files};
pub use inspect::{Fault, FileView, Overview, Verdict, inspect, verify};
pub use options::JournalOptions;
pub use recover::JournalOpenError;
