//! The edge daemon: what makes a machine an edge device, without its containers' plans.
//!
//! ```text
//! config.toml ──► Config ──► Options ──► Daemon::start ──► run(shutdown) ──► Outcome
//!                                             └──► Handle: for the agent and the hub in the same process
//!
//!   config/      the operator's file in the original's schema, and its snapshot
//!   cloud/       identities of modules in the hub, with the device's own credential
//!   identities/  the same, remembered for the time without a network
//!   api/         HTTP on unix sockets as the original's clients expect it
//!   management/  modules, identities, the machine        workload/  what modules have done for them
//!   local/       the identity, key and certificate services for other software
//!   parts/       what lives in this process and looks like a module
//!   sockets/     from systemd or made here; one directory for each module
//! ```
//!
//! Unlike the original's, this daemon stops no module when it starts, ends, or renews its certificates: what
//! runs is taken over (`adopt.rs`).
#![deny(unsafe_code)]

mod adopt;
mod api;
mod caller;
pub mod cloud;
pub mod config;
mod daemon;
mod engine;
mod handle;
pub mod identities;
mod local;
mod management;
mod options;
mod outcome;
mod parts;
mod prepare;
mod sockets;
mod workload;
mod zip;

pub use api::ServerFigures;
pub use caller::{AGENT_CONTAINER, Pids, Processes};
pub use daemon::{Daemon, Figures};
pub use handle::Handle;
pub use management::{BundleQuery, Files, Witness, moment, support_bundle};
pub use options::{Options, Places};
pub use outcome::{Outcome, StartError};
pub use parts::{Part, PartState, Parts, View};
pub use sockets::{Activated, ActivationError, Inherited, NotifyError, SocketError, inherited, notify};
pub use zip::{Archive, Full};
