//! The agent of an edge device: it keeps the modules as the device's manifest wants them.
#![forbid(unsafe_code)]

pub mod container;
mod device;
pub mod link;
pub mod manifest;
pub mod plan;
pub mod report;

pub use device::{API_VERSION, Device};
