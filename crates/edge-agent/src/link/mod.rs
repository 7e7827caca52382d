//! The agent's line to its hub, as `$edgeAgent`.
//!
//! # What every line promises
//!
//! 1. It connects by itself, and again when it breaks, with growing pauses that differ from device to
//!    device. It tries until it is dropped.
//! 2. [`HubEvent::Up`] comes after everything is subscribed: whoever asks for the twin then, and takes
//!    every patch from there on, misses none.
//! 3. What was asked on a connection that broke is not answered any more.
//! 4. [`HubLink::next`] may be dropped and called again.
//! 5. It shows a new ticket before the one that counts ends, and takes another way where it is told to.
//!    Where that takes a new connection, [`HubEvent::Up`] comes again, without a [`HubEvent::Down`]
//!    before it.

mod amqp;
mod backoff;
mod line;
mod mqtt;
mod talk;
mod twin;
mod upstream;
mod way;

pub use backoff::Backoff;
pub use line::{Line, LineOptions};
pub use twin::{DesiredTwin, PatchOutcome};
pub use upstream::{Route, Routes, Upstream, UpstreamError};
pub use way::{Before, Protocol, Ticket, Way, WayError, WayIn};

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde_json::{Map, Value};

pub trait HubLink: Send {
    /// What happens next; the line lives while this is awaited.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = HubEvent> + Send + '_>>;

    /// What kept the hub from letting us in may be over: a pause between tries ends.
    fn try_now(&mut self);

    /// Asks for the whole twin; [`HubEvent::Twin`] answers.
    fn ask_twin(&mut self);

    /// Sends a patch of the reported properties, one at a time; [`HubEvent::Reported`] answers.
    fn report(&mut self, patch: &Map<String, Value>);

    /// Sends a message of our own, one at a time; [`HubEvent::Sent`] answers.
    fn send(&mut self, content_type: &'static str, body: Bytes);

    /// Answers a call of a method; one of an earlier connection is dropped.
    fn answer(&mut self, call: &CallId, status: u16, payload: Bytes);
}

#[derive(Clone, Debug, PartialEq)]
pub enum HubEvent {
    Up,
    Down {
        reason: String,
        /// The hub has heard who we are, and does not let us in.
        is_refused: bool,
    },
    Twin {
        desired: Map<String, Value>,
        reported: Map<String, Value>,
    },
    /// `desired` was merged with `patch`, and has this version now.
    Patch {
        version: u64,
        patch: Map<String, Value>,
    },
    /// 204, or why not.
    Reported {
        status: u16,
        text: String,
    },
    /// The hub has the message, or does not want it.
    Sent {
        is_kept: bool,
    },
    Call {
        id: CallId,
        name: String,
        payload: Bytes,
    },
}

/// Names a call on the connection that it came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallId(pub String);
