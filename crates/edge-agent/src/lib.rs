//! The agent of an edge device: it keeps the modules as the device's manifest wants them.
//!
//! [`AgentOptions`] build an [`Agent`] and its [`Handle`]; [`Agent::run`] is the one task that owns all
//! state. What it decides is in pure modules: [`manifest`] reads what is wanted, [`plan`] says what is
//! to be done, [`container`] how a module becomes a container, [`report`] what the hub is told. What it
//! leans on are traits: containers ([`skerry_runtime::Runtime`]), the hub ([`link::HubLink`]), and
//! [`ports`].
#![forbid(unsafe_code)]

mod agent;
pub mod container;
mod device;
pub mod link;
pub mod manifest;
mod methods;
mod metrics;
pub mod plan;
pub mod ports;
mod quality;
pub mod report;
mod shelf;

pub use agent::{Agent, AgentOptions, Handle, ModuleView, Pace, Snapshot};
pub use device::{API_VERSION, Device, GatewayPorts};
pub use methods::{Blob, BlobKind, Bundles, UploadError, Uploads};
pub use metrics::{COMMON_LABELS, Disk, HostError, HostFigures, HostSource, Usage, metrics};
pub use shelf::FolderShelf;
