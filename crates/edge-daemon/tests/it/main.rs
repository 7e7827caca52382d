//! The daemon as its operators, its modules and its hub see it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on should say where; its helpers are public to its modules"
)]

mod apply;
mod configurations;
