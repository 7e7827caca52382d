//! Why there is no connection, or no longer.

use std::io;
use std::time::Duration;

use skerry_amqp::connection::Violation;
use skerry_amqp::performative::{Fault, condition};
use skerry_mqtt::client::Ended;
use skerry_mqtt::packet::ConnectCode;

use crate::amqp::NotShown;

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
    /// The same over AMQP.
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the server ended the connection{}", told(.0.as_deref()))]
    Farewell(Option<Box<Fault>>),
    #[error(transparent)]
    NotShown(#[from] NotShown),
    #[error("{place} has no WebSocket for us: {what}")]
    NoWebSocket { place: String, what: String },
    /// The proxy's answer.
    #[error("the proxy does not connect to {place}: {what}")]
    NoRelay { place: String, status: u16, what: String },
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
            Self::Untrusted { .. }
            | Self::NoWebSocket { .. }
            | Self::Violation(Violation::Refused | Violation::Mechanism) => false,
            Self::NotShown(NotShown::Refused { status, .. }) => *status >= 500,
            Self::NoRelay { status, .. } => *status >= 500,
            Self::Farewell(Some(fault)) => fault.condition.as_str() != condition::UNAUTHORIZED_ACCESS,
            Self::Ended(Ended::Refused(code)) => *code == ConnectCode::Unavailable,
            Self::Unreachable { .. }
            | Self::Late { .. }
            | Self::Ended(_)
            | Self::Violation(_)
            | Self::Farewell(None)
            | Self::NotShown(_)
            | Self::Closed
            | Self::Broken(_) => true,
        }
    }

    /// Whether the server has heard who comes, and does not let it in.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Ended(Ended::Refused(code)) => {
                matches!(code, ConnectCode::Credentials | ConnectCode::Unauthorised)
            }
            Self::NotShown(NotShown::Refused { status, .. }) => (400..500).contains(status),
            Self::Farewell(Some(fault)) => fault.condition.as_str() == condition::UNAUTHORIZED_ACCESS,
            Self::Violation(Violation::Refused) => true,
            _ => false,
        }
    }
}

fn told(fault: Option<&Fault>) -> String {
    let Some(Fault { condition, description, .. }) = fault else { return String::new() };
    match description {
        Some(text) => format!(": {text} ({condition})"),
        None => format!(": {condition}"),
    }
}
