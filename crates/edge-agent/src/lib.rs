//! The agent of an edge device: it keeps the modules as the device's manifest wants them.
#![forbid(unsafe_code)]

pub mod container;
mod device;
pub mod manifest;
pub mod plan;

pub use device::{API_VERSION, Device};
