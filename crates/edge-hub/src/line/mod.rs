//! Lines to the hub: one for each identity that has something to say or to hear there.
//!
//! ```text
//!  Lines ──► Line (a task) ──► Dialer ──► Carrier: one identity's way to the hub, whatever is spoken on it
//!    ▲          │ Ear: up, down, desired properties, calls, commands
//!    └ pumps, sessions
//! ```
//!
//! 1. The edge hub's own line is always wanted. While it is down no other line dials: one device asks a hub
//!    that is gone for one connection at a time. When it comes up, all that wait dial at once.
//! 2. A line that sends and hears nothing back for too long is begun anew, and counted.
//! 3. What was sent and not acknowledged goes out again on the next connection, first and in order.
//! 4. An identity that the hub does not let in, or does not listen to while it does to others, is barred for a
//!    while: its letters come back at once.

mod amqp;
mod carrier;
mod lines;
mod mqtt;
mod task;

pub use amqp::{AmqpDialer, AmqpDialerOptions, TokenSource};
pub use carrier::{Carrier, Heard, Parcel, Told, TwinReply, Wants};
pub use carrier::{DialError, Dialer, Dialing};
pub use lines::LinesOptions;
pub(crate) use lines::{Ear, Lines, State};
pub use mqtt::{MqttDialer, MqttDialerOptions, Way};
