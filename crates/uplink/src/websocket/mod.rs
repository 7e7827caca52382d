//! MQTT inside of a WebSocket, for networks that let nothing else out: a request of HTTP first, then
//! frames. Where messages begin and end means nothing to what is inside.

mod frames;
mod handshake;
mod stream;

pub(crate) use handshake::handshake;
pub(crate) use stream::ByteStream;

use std::fmt;

/// How to ask for it.
#[derive(Clone)]
pub struct WebSocket {
    /// The hub's name, as HTTP writes it.
    pub host: String,
    /// Unpredictable, and another one for each connection: the handshake and the masks of frames are
    /// made of it.
    pub nonce: [u8; 16],
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket({})", self.host)
    }
}
