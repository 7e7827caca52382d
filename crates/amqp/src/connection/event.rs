//! What the caller is told.

use bytes::Bytes;

use crate::performative::{Attach, Fault, Init, Open, Outcome};

/// A session, by our channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(super) u16);

/// A link. No two of a connection are the same, even if one comes after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId {
    pub(super) session: u16,
    pub(super) handle: u32,
    pub(super) serial: u32,
}

impl LinkId {
    pub fn session(self) -> SessionId {
        SessionId(self.session)
    }
}

/// A delivery, by its number in its session and direction.
pub type DeliveryId = u32;

/// A message that came whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub tag: Bytes,
    pub format: u32,
    /// Nobody waits for an outcome.
    pub is_settled: bool,
    /// Shares the block that it was read from, if it came in one frame.
    pub payload: Bytes,
}

#[derive(Debug, PartialEq)]
pub enum Event {
    /// Somebody says who it is; answer with [`super::Connection::answer_sasl`].
    Sasl(Init),
    Opened(Box<Open>),
    /// The peer wants a link; answer with [`super::Connection::accept`] or [`super::Connection::refuse`].
    Attach {
        link: LinkId,
        attach: Box<Attach>,
    },
    /// The peer took part in a link that we began.
    Attached {
        link: LinkId,
        attach: Box<Attach>,
    },
    /// It may be sent on this link now, or the peer waits for the end of what there is.
    Credit {
        link: LinkId,
    },
    Delivery {
        link: LinkId,
        delivery: Delivery,
    },
    /// The peer has used up or given back the credit of a link that was recalled
    /// ([`super::Connection::recall`]).
    Recalled {
        link: LinkId,
    },
    /// The peer says what became of something that we sent; if it did not settle it, it waits for us
    /// to do so ([`super::Connection::settle_sent`]).
    Outcome {
        link: LinkId,
        delivery: DeliveryId,
        outcome: Option<Outcome>,
        is_settled: bool,
    },
    /// The peer ended it, or its session, or it was stolen or broke a rule.
    Detached {
        link: LinkId,
        fault: Option<Fault>,
    },
    Closed {
        fault: Option<Fault>,
    },
}
