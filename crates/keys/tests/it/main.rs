//! Keys and certificates as the daemon uses them, on real directories.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on should say where; its helpers are public to its modules"
)]

mod certificates;
mod files;
mod kill;
mod renewal;
mod rotation;
mod store;
mod vectors;
mod world;
