//! The hub as its clients see it, on every store and in every mode. No socket is involved here:
//! requests go straight to the service.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on should say where; its helpers are public to its modules"
)]

mod access;
mod authorities;
mod bulk;
mod commands;
mod delivery;
mod devices;
mod edge;
mod faults;
mod feedback;
mod files;
mod links;
mod messages;
mod modules;
mod narrowing;
mod queries;
mod races;
mod scopes;
mod sessions;
mod storage;
mod twins;
mod world;
