//! Why a connection is over.

use crate::packet::{ConnectCode, Malformed};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("the server's packet cannot be read: {0}")]
    Malformed(#[from] Malformed),
    #[error("the server does not let the client in: {}", meaning(*.0))]
    Refused(ConnectCode),
    #[error("the server sends something else before CONNACK, or before it was asked")]
    NoConnack,
    #[error("the server sends a second CONNACK")]
    SecondConnack,
    #[error("the server uses quality of service 2, which was not asked for")]
    ExactlyOnce,
    #[error("the server answers something that was not sent, or was answered before")]
    Unasked,
    #[error("the server grants other filters than it was asked for")]
    Grants,
    #[error("the server did not answer CONNECT in time")]
    Late,
    #[error("the server has fallen silent")]
    Silent,
    #[error("the client has disconnected")]
    Disconnected,
}

fn meaning(code: ConnectCode) -> &'static str {
    match code {
        ConnectCode::Accepted => "no reason",
        ConnectCode::Protocol => "it does not speak MQTT 3.1.1",
        ConnectCode::ClientId => "it does not take the client id",
        ConnectCode::Unavailable => "it is busy, or the identity is disabled",
        ConnectCode::Credentials => "user name or password have no valid form",
        ConnectCode::Unauthorised => "it does not trust these credentials",
    }
}
