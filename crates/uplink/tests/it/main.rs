//! The client against a server that is played by hand, over real sockets and real TLS.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod amqp;
mod connecting;
mod peer;
mod sending;
