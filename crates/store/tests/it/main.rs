//! What the engines promise, checked on each of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails must stop")]

mod blobs;
mod bus;
mod conformance;
mod crash;
mod embedded;
mod journal;
mod samples;
