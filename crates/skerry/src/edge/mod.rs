//! `skerry edge run`: this machine as an edge device.
//!
//! ```text
//! config.toml ──apply──► snapshot ──► Daemon ──► handle ──► Agent ──► MQTT line to the hub
//!                                       │                     │
//!                                  local APIs            containers       metrics on 9600
//! ```
//!
//! Daemon and agent share the process. `ports.rs` is what the agent leans on, given by the daemon;
//! `way.rs` its way to the hub. Modules outlive the process.

mod doors;
mod figures;
mod images;
mod journal;
mod options;
mod places;
mod ports;
mod run;
mod uploads;
mod way;

pub use journal::LEVEL_VARIABLE;
pub use options::{EdgeRunOptions, PlaceOptions};
pub use places::Directories;
pub use run::run;
pub use way::client_config;
