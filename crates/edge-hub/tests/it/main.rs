//! The edge hub between clients and a hub that are scripted, in time that passes when nobody has anything to do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on should say where; its helpers are public to its modules"
)]

mod access;
mod backlog;
mod barred;
mod children;
mod crash;
mod direct;
mod disk;
mod ends;
mod figures;
mod full;
mod link;
mod modules;
mod routes;
mod seen;
mod sim;
mod twins;
mod week;
mod wire;
