//! A link: who sends, how much may be sent, and what is in the making.

use bytes::{Bytes, BytesMut};

use crate::codec::{Text, Value};
use crate::performative::{Attach, ReceiverSettles, Role, SenderSettles, Source, Target};

/// Of a message that we take, unless an offer says otherwise: no service sends longer ones.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The peer asked, and we have not answered.
    Asked,
    /// We asked, and the peer has not answered.
    Asking,
    Attached,
    /// We ended it, and the peer did not answer yet.
    Detaching,
}

/// A message of which more frames are to come.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) delivery: u32,
    pub(super) tag: Bytes,
    pub(super) format: u32,
    pub(super) is_settled: bool,
    pub(super) payload: BytesMut,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) serial: u32,
    pub(super) name: Text,
    /// Ours.
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) peer_handle: Option<u32>,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    /// The peer wants to hear when there is nothing more.
    pub(super) is_drain: bool,
    /// A receiver's: so many may be on the way or without an outcome.
    pub(super) window: u32,
    /// A receiver's: came, and have no outcome.
    pub(super) outstanding: u32,
    /// Of messages on it: what we take, or what the peer takes.
    pub(super) message_bytes_max: u64,
    pub(super) incoming: Option<Box<Incoming>>,
    /// A sender's: the rest of a message that waits for the peer's window.
    pub(super) rest: Option<Bytes>,
}

impl Link {
    pub(super) fn new(serial: u32, name: &str, role: Role, state: State) -> Self {
        Self {
            serial,
            // A slice of what was read would keep the whole block for as long as the link lives.
            name: name.into(),
            role,
            state,
            peer_handle: None,
            delivery_count: 0,
            credit: 0,
            is_drain: false,
            window: 0,
            outstanding: 0,
            message_bytes_max: u64::MAX,
            incoming: None,
            rest: None,
        }
    }

    pub(super) fn is_detaching(&self) -> bool {
        self.state == State::Detaching
    }

    /// For one that ends before anybody decided about it.
    pub(super) fn bare_attach(&self, handle: u32) -> Attach {
        Attach {
            name: self.name.clone(),
            handle,
            role: self.role,
            source: Some(Source::default()),
            target: Some(Target::default()),
            delivery_count: (self.role == Role::Sender).then_some(0),
            ..Attach::default()
        }
    }

    /// What the peer's attach says of it.
    pub(super) fn peer_attached(&mut self, attach: &Attach) {
        self.peer_handle = Some(attach.handle);
        match self.role {
            Role::Sender => {
                let bytes_max = attach.message_bytes_max.filter(|bytes_max| *bytes_max > 0);
                self.message_bytes_max = bytes_max.unwrap_or(u64::MAX);
            }
            Role::Receiver => self.delivery_count = attach.delivery_count.unwrap_or_default(),
        }
    }

    /// A sender's: the peer waits for more, or for the word that there is none.
    pub(super) fn wants_drain(&self) -> bool {
        let may_send = self.role == Role::Sender && self.state == State::Attached;
        may_send && self.is_drain && self.credit > 0
    }

    /// A receiver's room for more, worth telling.
    pub(super) fn fresh_credit(&self) -> Option<u32> {
        let taken = self.outstanding + u32::from(self.incoming.is_some());
        let wanted = self.window.saturating_sub(taken);
        let is_worth_it = wanted > self.credit && self.credit <= self.window / 2;
        (self.role == Role::Receiver && self.state == State::Attached && !self.is_drain && is_worth_it)
            .then_some(wanted)
    }
}

/// A link that we begin, as a client.
#[derive(Clone, Debug)]
pub struct Offer {
    pub name: Text,
    /// Ours.
    pub role: Role,
    pub source: Source,
    pub target: Target,
    pub sender_settles: SenderSettles,
    pub receiver_settles: ReceiverSettles,
    pub properties: Value,
    /// A receiver's: so many may be on the way or without an outcome.
    pub window: u32,
    pub message_bytes_max: u64,
}

impl Offer {
    /// Sends to an address.
    pub fn sender(name: &str, address: &str) -> Self {
        Self { target: Target::at(address), ..Self::new(name, Role::Sender, 0) }
    }

    /// Receives from an address.
    pub fn receiver(name: &str, address: &str, window: u32) -> Self {
        Self { source: Source::at(address), ..Self::new(name, Role::Receiver, window) }
    }

    fn new(name: &str, role: Role, window: u32) -> Self {
        Self {
            name: name.into(),
            role,
            source: Source::default(),
            target: Target::default(),
            sender_settles: SenderSettles::Mixed,
            receiver_settles: ReceiverSettles::First,
            properties: Value::Null,
            window,
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}
