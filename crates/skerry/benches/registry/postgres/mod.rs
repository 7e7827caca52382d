//! The peer: PostgreSQL from the distribution, asked over its socket with prepared statements.

mod peer;
mod server;
mod wire;

pub(crate) use peer::{Peer, Way};
pub(crate) use server::Server;
