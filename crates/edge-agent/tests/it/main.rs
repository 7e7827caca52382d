//! The agent from the outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails must stop")]

mod cases;
mod containers;
mod containers_of_modules;
mod line;
mod manifests;
mod plans;
mod sim;
