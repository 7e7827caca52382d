//! The tests of the query language, as one binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy.toml excuses tests, but not their helpers")]

mod bounds;
mod cases;
mod docs;
mod fuzz;
mod properties;
mod route_fuzz;
mod route_properties;
mod route_tree;
mod routes;
mod spans;
mod tree;
