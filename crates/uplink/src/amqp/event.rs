//! What the owner of a client is told.

use skerry_amqp::connection::{Delivery, LinkId};
use skerry_amqp::performative::{Attach, Fault, Outcome};

use super::tokens::{NotShown, TokenNumber};

#[derive(Debug, PartialEq)]
pub enum Event<T> {
    /// The server takes part in a link. One that it refuses is detached right after.
    Attached { link: LinkId, attach: Box<Attach> },
    /// It may be sent on this link now.
    Ready { link: LinkId },
    /// What became of something that was sent.
    Sent { link: LinkId, item: T, outcome: Outcome },
    /// A message; to be dealt with by [`super::Client::settle`], soon or late.
    Delivery { link: LinkId, delivery: Delivery },
    /// Nothing more comes on a link that was recalled until it is widened.
    Recalled { link: LinkId },
    /// A link is over. Nobody will say what became of what was sent on it.
    Detached { link: LinkId, fault: Option<Fault>, unsettled: Vec<T> },
    /// The answer to [`super::Client::show_token`].
    Shown { token: TokenNumber, outcome: Result<(), NotShown> },
}

/// The link has no credit, is over, or takes no message of this size: the item comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsent<T> {
    pub item: T,
}
