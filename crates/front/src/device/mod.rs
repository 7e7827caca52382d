//! What stands behind MQTT and the links of devices over AMQP: a service that knows devices and modules.
//!
//! ```text
//!  Claim ──► DeviceService::connect ──► Connected { session, orders, kept } or Refused
//!                                          │         └── what the service wants of the client
//!                                          └── what the client wants of the service
//! ```
//!
//! 1. [`Session::publish`] is done when every message is as safe as the service is configured to
//!    make it, and not before. Calls take effect in the order in which they are made.
//! 2. One connection an identity: the service closes the older one, by [`Order::Close`].
//! 3. [`Order`]s come one at a time, and commands only while [`Session::room`] says that there is
//!    room. A command is a lease: whoever got it settles it, or the end of the session gives it back.
//! 4. Dropping the orders ends the session at the service, whatever the reason.

mod calls;
mod claim;
mod order;
mod post;
mod subscriptions;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use skerry_model::message::Message;

pub use calls::{CallReply, Caller, Calls, WantedCall};
pub use claim::{Claim, PeerCertificates, Proof, Refused, SessionKind};
pub use order::{Call, CloseReason, Command, Desired, FaultPart, Input, Lease, Order, Settlement};
pub use post::Post;
pub use subscriptions::Subscriptions;

/// A future that can be sent and named.
pub type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Lets identities in. The front door asks once for each connection.
pub trait DeviceService: Send + Sync + 'static {
    fn connect(&self, claim: Claim) -> Soon<Result<Connected, Refused>>;
}

/// An identity that is in.
pub struct Connected {
    pub session: Arc<dyn Session>,
    pub orders: Box<dyn Orders>,
    /// What the identity subscribed to on an earlier connection, if that is kept.
    pub kept: Option<Subscriptions>,
}

/// What a connected client may ask for.
pub trait Session: Send + Sync {
    /// Keeps messages. Its first part happens in the call, so that the order is that of the calls.
    fn publish(&self, messages: Vec<Message>) -> Soon<Result<(), PublishRefused>>;

    /// The client listens to this from now on; kept for later connections if it asked for that.
    fn subscribe(&self, to: Subscriptions) -> Soon<Result<(), Unavailable>>;

    /// Whether commands may come.
    fn room(&self, is_there: bool);

    /// What becomes of a command. Begins in the call.
    fn settle(&self, lease: Lease, how: Settlement) -> Soon<Result<(), NotSettled>>;

    /// Shows something new to stay in; if it does not count, the session ends as it would have.
    fn renew(&self, proof: Proof) -> Soon<Result<(), Refused>>;

    /// Desired and reported properties, as JSON.
    fn twin(&self) -> Soon<Result<Bytes, TwinRefused>>;

    /// Merges reported properties, perhaps only into this version; the version that came of it, where it
    /// is known: an edge may hear of it only later.
    fn report(&self, patch: Bytes, version: Option<u64>) -> Soon<Result<Option<u64>, TwinRefused>>;

    /// Answers a call by its id. What nobody waits for any more is dropped.
    fn answer(&self, call: &str, status: i64, payload: Bytes);
}

/// What the service wants of the client, one after the other.
pub trait Orders: Send {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order>;
}

/// Messages that are not kept. The connection ends, and the client may send them again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefused {
    /// The client's fault: it would fail again.
    #[error("{what}")]
    Invalid { what: String },
    /// Too much at once.
    #[error("{what}")]
    Throttled { what: String },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSettled {
    /// It was held for too long, or is gone.
    #[error("the command is not held by this client any more")]
    LockLost,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Ours; another try may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unavailable {
    pub what: String,
}

/// An answer to a twin request that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinRefused {
    pub status: u16,
    /// JSON, as the client expects it.
    pub body: Bytes,
}
