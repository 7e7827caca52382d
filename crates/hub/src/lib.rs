//! The hub: registry, twins, queries and access policies, and the REST service over them.
#![forbid(unsafe_code)]

pub mod access;
pub mod authorities;
pub mod commands;
mod connections;
pub mod devices;
pub mod files;
pub mod groups;
pub mod links;
pub mod registry;
pub mod rest;
pub mod search;
mod service;
pub mod spaces;
pub mod telemetry;
mod to_its_end;

pub use connections::Connections;
pub use service::{Hub, HubOptions};
