//! The built binary as its users meet it: real SDKs, and clients who mean it no good.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]
#![allow(clippy::disallowed_methods, reason = "tests of a process need the environment and a clock")]

mod amqp;
mod bad_input;
mod cli;
mod client;
mod commands;
mod containers;
mod dev;
mod docs;
mod edge;
mod files;
mod groups;
mod held_disk;
mod iotedge;
mod lifecycle;
mod log;
mod logging;
mod mqtt;
mod outage;
mod packages;
mod preload;
mod process;
mod quickstart;
mod refused;
mod routes;
mod sdk;
mod simulate;
mod status;
mod system;
mod telemetry;
mod units;
mod uploads;
mod upstream;
mod world;
