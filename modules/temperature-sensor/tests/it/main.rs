//! The sensor against an edge that is played by hand: a workload API on a socket of its own, and an
//! edge hub behind real TLS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails must stop")]

mod edge;
mod sending;
