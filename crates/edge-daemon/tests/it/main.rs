//! The daemon as its operators, its modules and its hub see it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on should say where; its helpers are public to its modules"
)]

mod apply;
mod client;
mod clock;
mod cloud;
mod configurations;
mod hub;
mod identities;
mod importing;
mod lifetime;
mod local;
mod management;
mod modules;
mod parts;
mod protocol;
mod provisioning;
mod real_hub;
mod systemd;
mod workload;
mod world;
