//! What a service wants of a connected client.

use bytes::Bytes;
use skerry_model::message::Message;
use skerry_model::{IdentityId, Timestamp};

#[derive(Debug)]
pub enum Order {
    Command(Box<Command>),
    Call(Call),
    Desired(Desired),
    /// A fault that was asked for breaks something of the connection, if it is there.
    Fault(FaultPart),
    /// Nothing comes after it.
    Close(CloseReason),
}

/// What a fault breaks. Parts of a protocol that is not spoken are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPart {
    AmqpConnection,
    AmqpSession,
    TokenRequests,
    TokenAnswers,
    Telemetry,
    Commands,
    TwinRequests,
    TwinAnswers,
    MethodRequests,
    MethodAnswers,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    Complete,
    Reject,
    /// The delivery failed, which counts.
    Abandon,
    /// It was not delivered, which does not.
    GiveBack,
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
    /// In the order of the queue.
    pub sequence: u64,
    pub enqueued: Timestamp,
    /// How often its delivery failed before.
    pub deliveries: u32,
    /// Where there is one, the message is none of a back end's but came by a route.
    pub input: Option<Box<Input>>,
}

/// How a message came to a module by a route of an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The module's word for it.
    pub name: String,
    /// Who sent it.
    pub from: IdentityId,
}

/// A method to carry out.
#[derive(Debug)]
pub struct Call {
    /// Stands in the answer; at most 16 letters and digits.
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
    /// A fault that was asked for: the connection breaks.
    Fault,
    /// A fault that was asked for: the identity is refused for a while.
    Barred,
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
            Self::Barred => "barred",
            Self::Stopping => "stopping",
        }
    }
}
