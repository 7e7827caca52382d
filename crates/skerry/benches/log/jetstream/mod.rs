//! The peer across a socket: nats-server with JetStream, file storage, one node.
//!
//! Its default hands records to the system and syncs every two minutes: what it answers survives
//! its process, not the power. With `sync_interval: always` it syncs before it answers.

mod server;
mod stream;
mod wire;

pub(crate) use server::{Server, Sync};
pub(crate) use stream::Stream;
