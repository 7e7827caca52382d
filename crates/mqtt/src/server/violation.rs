//! What a client may not do; the connection ends without a word, as the standard has it.

use crate::packet::Malformed;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the first packet is not CONNECT")]
    NoConnect,
    #[error("a second CONNECT on one connection")]
    SecondConnect,
    #[error("a packet that only servers send")]
    Direction,
    #[error("quality of service 2 is not served here, use 1")]
    ExactlyOnce,
    /// Ours: packets are handed over only when the client is in.
    #[error("a packet before the decision about CONNECT")]
    Early,
}
