//! How the line gets to the hub; who knows the machine's configuration and keys says so.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use skerry_runtime::Answer;
use skerry_uplink::{Identity, Place, Token};

/// Where the hub is, and what is spoken there.
#[derive(Clone, Debug)]
pub struct Way {
    pub place: Place,
    pub protocol: Protocol,
    /// Who comes; its proof is the ticket.
    pub identity: Identity,
    pub ticket: Ticket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Mqtt,
    Amqp,
}

/// What is shown at the door.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub token: Token,
    /// When it is time for another one, well before this one ends.
    pub renew_after: Duration,
}

/// What came of the tries before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Since a connection last stood: names may have moved, and there may be another way.
    pub failures: u32,
    /// The hub did not let us in: it may have to be told again who we are.
    pub is_refused: bool,
}

/// Asked before each try.
pub trait WayIn: Send + Sync {
    fn way(&self, before: Before) -> Answer<'_, Way, WayError>;

    /// Another ticket.
    fn ticket(&self) -> Answer<'_, Ticket, WayError>;

    /// Done when there is another way than the one that was given last, and a connection that stands is to
    /// be made anew.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no way to the hub: {reason}")]
pub struct WayError {
    pub reason: String,
    /// The hub was asked for it, and does not let us in.
    pub is_refused: bool,
}
