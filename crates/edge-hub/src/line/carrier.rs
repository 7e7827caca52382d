//! One connection of one identity to the hub, whatever protocol it speaks.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_front::device::{Settlement, Soon, Subscriptions};
use skerry_model::message::Message;
use skerry_model::{IdentityId, Timestamp};
use skerry_mqtt::topic::Subscription;

use crate::letter::Letter;
use crate::ticket::{Fate, Ticket};

/// Opens connections.
pub trait Dialer: Send + Sync + 'static {
    /// For the edge hub itself, or on behalf of somebody behind it: `chain` leads from them to this device.
    fn dial(&self, id: IdentityId, chain: Option<String>) -> Dialing;
}

/// Ends by itself.
pub type Dialing = Soon<Result<Box<dyn Carrier>, DialError>>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The hub does not let the identity in.
    #[error("the hub does not let it in: {why}")]
    Refused { why: String },
    #[error("{why}")]
    Unreachable { why: String },
}

/// A letter on its way to the hub. One that is dropped goes out again.
#[derive(Debug)]
pub struct Parcel {
    pub(crate) letter: Letter,
    pub(crate) ticket: Ticket,
    /// It was sent on an earlier connection.
    pub(crate) is_again: bool,
}

impl Parcel {
    pub fn from(&self) -> &IdentityId {
        &self.letter.from
    }

    pub fn message(&self) -> &Message {
        &self.letter.message
    }

    pub fn is_again(&self) -> bool {
        self.is_again
    }

    /// The hub has it.
    pub fn delivered(self) {
        self.ticket.tell(Fate::Delivered);
    }

    /// The hub will never take it.
    pub fn refused(self, why: String) {
        self.ticket.tell(Fate::Refused { why });
    }
}

/// What an identity wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    pub commands: bool,
    pub methods: bool,
    pub desired: bool,
}

impl Wants {
    pub(crate) fn of(subscriptions: &Subscriptions) -> Self {
        Self {
            commands: subscriptions.has(Subscription::Commands),
            methods: subscriptions.has(Subscription::Methods),
            desired: subscriptions.has(Subscription::Desired),
        }
    }
}

/// What comes over a connection.
#[derive(Debug)]
pub enum Heard {
    /// The hub has what was asked for with [`Carrier::listen`].
    Listening,
    Desired {
        version: u64,
        patch: Map<String, Value>,
    },
    Call {
        /// On this connection.
        id: String,
        method: String,
        payload: Bytes,
    },
    Command {
        /// For [`Carrier::settle`].
        number: u64,
        command: Box<Told>,
    },
    Twin {
        request: u64,
        reply: TwinReply,
    },
    /// Something happened that matters to nobody outside.
    Nothing,
}

/// A command of a back end, as the hub tells it.
#[derive(Debug)]
pub struct Told {
    pub message: Message,
    pub again: bool,
    /// How often its delivery failed before, and when it was sent, where the protocol tells.
    pub deliveries: u32,
    pub enqueued: Timestamp,
}

/// The answer to a question about a twin.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinReply {
    pub status: u16,
    pub version: Option<u64>,
    pub body: Bytes,
}

/// A connection that is open. What it loses is told by an error of [`Carrier::event`], once.
pub trait Carrier: Send {
    /// Whether one more letter may be under way.
    fn has_room(&self) -> bool;

    /// Sends; the ticket comes back when the hub has it. Only where there is room.
    fn send(&mut self, parcel: Parcel);

    /// Letters under way.
    fn pending(&self) -> usize;

    /// From now on the hub tells this. Asking for the same again is nothing.
    fn listen(&mut self, wants: Wants);

    fn ask_twin(&mut self, request: u64);

    fn report(&mut self, request: u64, patch: Bytes);

    fn answer(&mut self, call: &str, status: i64, payload: Bytes);

    /// What became of a command. `false` where the hub learns it by the end of the connection only.
    fn settle(&mut self, command: u64, how: Settlement) -> bool;

    /// Whether it shows new tokens by itself; else it is begun anew before its token ends.
    fn renews(&self) -> bool;

    /// The next thing that happens. May be dropped and called again.
    fn event(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard, String>> + Send + '_>>;

    /// Says goodbye if it can, and gives back what is under way, the oldest first.
    fn close(self: Box<Self>) -> Vec<Parcel>;
}
