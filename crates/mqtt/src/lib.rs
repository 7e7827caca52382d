//! MQTT 3.1.1, both roles, without a socket: bytes in, packets out, and back.
//!
//! [`packet`] is the protocol as the standard has it, strict: whatever a server (or client) must
//! refuse is refused with the reason. What IoT hubs do differently is decided above.
#![forbid(unsafe_code)]

pub mod packet;
pub mod topic;
mod window;

pub use window::Window;
