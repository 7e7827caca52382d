//! One binary for all tests of the crate: real sockets on the loopback, a clock that the test holds.

// clippy.toml excuses test functions, their helpers live here too; and nothing is reachable from a test.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod amqp;
mod devices;
mod http;
mod http_limits;
mod links;
mod listen;
mod mqtt;
mod renewal;
mod streams;
mod tls;
mod world;
