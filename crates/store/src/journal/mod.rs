//! The embedded log: one journal of commit groups.

mod files;
mod options;

pub use files::{Directory, File, Files};
pub use options::JournalOptions;
