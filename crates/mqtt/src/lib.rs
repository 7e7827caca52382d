//! MQTT 3.1.1, both roles, without a socket: bytes in, packets out, and back.
//!
//! [`packet`] is the protocol as the standard has it, strict: whatever a server (or client) must
//! refuse is refused with the reason. [`server`] and [`client`] are a connection as each side sees it,
//! [`topic`] what IoT hubs mean by topics.
#![forbid(unsafe_code)]

pub mod client;
pub mod packet;
pub mod server;
pub mod topic;
mod window;

pub use window::Window;
