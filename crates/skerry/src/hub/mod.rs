//! `skerry hub …`: a hub on this machine, its data directory, its archives.

mod archive;
mod backup;
mod connection_string;
mod data;
mod files;
mod logging;
mod restore;
mod run;
mod settings;

pub use backup::backup;
pub use connection_string::connection_string;
pub use data::DataDirectory;
pub use restore::restore;
pub use run::run;
