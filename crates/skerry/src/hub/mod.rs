//! `skerry hub …`: a hub on this machine, its data directory, its archives.

mod archive;
mod backup;
mod connection_string;
mod data;
mod disk;
mod engines;
mod files;
mod restore;
mod run;
mod serving;
mod settings;
mod stored;

pub use backup::backup;
pub use connection_string::connection_string;
pub use data::{DataDirectory, Held, HubFile, write_private};
pub use engines::Engines;
pub use restore::restore;
pub use run::run;
pub use serving::{Parts, Serving, settle_identity};
pub use settings::Settings;
pub use stored::StoredHub;
