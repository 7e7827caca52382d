//! Container engines: one suite for all of them, and what only a real one can show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails must stop")]

mod conformance;
mod containers;
mod garbage;
mod memory;
mod processes;
