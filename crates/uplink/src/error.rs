//! Why there is no connection, or no longer.

use std::io;
use std::time::Duration;

use skerry_mqtt::client::Ended;
use skerry_mqtt::packet::ConnectCode;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot reach {place}: {source}")]
    Unreachable { place: String, source: io::Error },
    #[error("no trusted connection to {place}: {source}")]
    Untrusted { place: String, source: io::Error },
    #[error("{place} did not let the client in within {} s", .after.as_secs())]
    Late { place: String, after: Duration },
    /// The server's refusal, its violation, or its silence.
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error("the server has closed the connection")]
    Closed,
    #[error("the connection broke off: {0}")]
    Broken(io::Error),
}

impl Error {
    /// Whether another try has a chance without anybody changing something. A server that is busy
    /// says so with the same code as one that has disabled the identity.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Untrusted { .. } => false,
            Self::Ended(Ended::Refused(code)) => *code == ConnectCode::Unavailable,
            Self::Unreachable { .. }
            | Self::Late { .. }
            | Self::Ended(_)
            | Self::Closed
            | Self::Broken(_) => true,
        }
    }
}
