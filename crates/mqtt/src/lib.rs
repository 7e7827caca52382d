//! MQTT 3.1.1, both roles, without a socket: bytes in, packets out, and back.
//!
//! [`packet`] is the protocol as the standard has it, strict: whatever a server (or client) must
//! refuse is refused with the reason. [`server`] is a connection as the server sees it, [`topic`] what
//! IoT hubs mean by topics.
#![forbid(unsafe_code)]

pub mod packet;
pub mod server;
pub mod topic;
mod window;

pub use window::Window;
