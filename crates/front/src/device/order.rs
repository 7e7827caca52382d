//! What a service wants of a connected client.

use bytes::Bytes;
use skerry_model::message::Message;

#[derive(Debug)]
pub enum Order {
    Command(Box<Command>),
    Call(Call),
    Desired(Desired),
    /// Nothing comes after it.
    Close(CloseReason),
}

/// The hold on a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease(pub u128);

/// A message for the device, under a lease.
#[derive(Debug)]
pub struct Command {
    pub lease: Lease,
    pub message: Message,
    /// It was delivered before, and not settled.
    pub again: bool,
}

/// A method to carry out.
#[derive(Debug)]
pub struct Call {
    /// Stands in the answer; letters and digits.
    pub id: String,
    pub method: String,
    /// JSON, never empty.
    pub payload: Bytes,
}

/// Desired properties changed.
#[derive(Debug)]
pub struct Desired {
    pub version: u64,
    /// The patch as JSON, its `$version` included.
    pub patch: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The identity connected anew.
    Superseded,
    /// The token's time is over.
    Expired,
    /// Deleted, disabled, or what it proved itself with does not count any more.
    Revoked,
    /// The client could not keep up, and has to begin anew.
    Lagged,
    /// A fault that was asked for.
    Fault,
    /// The service ends.
    Stopping,
}

impl CloseReason {
    pub fn word(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Lagged => "lagged",
            Self::Fault => "fault",
            Self::Stopping => "stopping",
        }
    }
}
