//! AMQP 1.0 without sockets, for both roles: bytes and time go in, bytes and events come out.
//!
//! `codec` reads and writes values, `performative` what frames say, `message` the sections of messages;
//! `connection` is the machine; `address` and `selector` know what links of an IoT hub are named.
#![forbid(unsafe_code)]

pub mod address;
pub mod codec;
pub mod connection;
pub mod frame;
pub mod message;
pub mod performative;
pub mod selector;
