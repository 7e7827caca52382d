//! `skerry edge run`: this machine as an edge device.
//!
//! ```text
//! config.toml ──apply──► snapshot ──► Daemon ──► handle ──┬─► Agent ──► MQTT line to the hub
//!                                       │                 │     └► containers       metrics on 9600
//!                                  local APIs             └─► EdgeHub ──► lines to the hub
//!                                                               ▲ modules and devices
//! ```
//!
//! Daemon, agent and hub share the process. `ports.rs` is what the agent leans on, given by the daemon;
//! `way.rs` its way to the hub. Modules outlive the process.

mod agent;
pub mod alone;
mod doors;
mod figures;
mod hub;
mod images;
mod journal;
mod options;
mod parts;
mod places;
mod ports;
mod run;
mod running;
mod settings;
mod uploads;
mod view;
mod way;

pub use doors::Doors;
pub use hub::{HubOptions, run as run_hub};
pub use journal::{LEVEL_VARIABLE, kept};
pub use options::{EdgeRunOptions, Metrics, PlaceOptions};
pub use parts::parts;
pub use places::Directories;
pub use run::{configuration, run};
pub use running::{Edge, EdgeOptions};
pub use settings::OfHub;
pub use way::{client_config, upstream_host, upstream_protocol};
