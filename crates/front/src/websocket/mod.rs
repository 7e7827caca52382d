//! WebSockets: the same bytes as on a port of their own, for clients behind firewalls that let
//! only HTTPS through.

mod frames;
mod handshake;
mod stream;

pub(crate) use handshake::{Inside, is_wanted, respond};
pub(crate) use stream::ByteStream;
