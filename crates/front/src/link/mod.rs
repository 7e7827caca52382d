//! What stands behind AMQP links that are not a device's own: a service that knows who may read
//! events, send commands, or hear what became of them.
//!
//! 1. A client shows a token ([`LinkService::show`]), or its name and one ([`LinkService::log_in`]);
//!    the front door keeps what counts, for the connection, until it ends.
//! 2. For each link it asks with everything that counts ([`LinkService::open`]), and lets go of the link
//!    when the one that opened it has ended.
//! 3. A [`Source`] is asked for no more than the client wants. What it gave with a key is settled by
//!    that key, or given back by dropping the source.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::message::Sections;
use skerry_amqp::performative::{Attach, Fault, Outcome};
use skerry_model::{EDGE_HUB, IdentityId};

use crate::device::Soon;

pub trait LinkService: Send + Sync + 'static {
    /// Looks at a token that is shown for an audience. The error is for the client.
    fn show(&self, audience: &str, token: &str) -> Soon<Result<Shown, NotShown>>;

    /// The same for a client that says its name and a token instead of a password; with it comes
    /// the token, which is shown again where a device connects.
    fn log_in(&self, name: &str, password: &str) -> Soon<Result<Shown, NotShown>>;

    fn open(&self, wanted: Wanted) -> Soon<Result<Opened, Fault>>;
}

/// A token that counts.
#[derive(Clone, Debug)]
pub struct Shown {
    pub speaks_for: SpeaksFor,
    /// From now on.
    pub lasts: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeaksFor {
    /// The holder of a policy's key: for every device, and for the links here.
    Policy,
    Identity(IdentityId),
    /// An edge hub, for somebody behind it: those whom the audience may name. Whether they are behind it is asked
    /// when they connect.
    Behind(Vec<IdentityId>),
}

impl SpeaksFor {
    /// For whom a token is that an edge hub has signed and shows for others; devices and modules as tokens name them.
    pub fn behind(signed: &[(String, Option<String>)], named: &[(String, Option<String>)]) -> Option<Self> {
        let is_of_edge_hub = signed.iter().any(|(_, module)| module.as_deref() == Some(EDGE_HUB));
        if !is_of_edge_hub || named.is_empty() || named.iter().any(|name| signed.contains(name)) {
            return None;
        }
        let read = |(device, module): &(String, Option<String>)| {
            let module = module.as_deref().map(str::parse).transpose().ok()?;
            Some(IdentityId { device: device.parse().ok()?, module })
        };
        Some(Self::Behind(named.iter().filter_map(read).collect()))
    }

    /// Whether it is somebody behind an edge, who comes by the word of the edge's hub.
    pub fn is_behind(&self, id: &IdentityId) -> bool {
        matches!(self, Self::Behind(named) if named.contains(id))
    }
}

/// A token that does not count; the status as HTTP has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NotShown {
    pub status: u16,
    pub what: String,
}

/// A link that a client asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub node: Node,
    /// Its role is the client's.
    pub attach: Arc<Attach>,
    /// The name of the host that the client connected to, as it said.
    pub host: String,
    /// Policies' tokens that count on the connection; what was said with a name instead of one, too.
    pub tokens: Vec<Arc<str>>,
}

/// A link that may be.
pub struct Opened {
    pub end: LinkEnd,
    /// Which of the tokens allowed it.
    pub token: usize,
}

/// The other end of a link.
pub enum LinkEnd {
    /// The client receives.
    Source(Box<dyn Source>),
    /// The client sends.
    Target(Arc<dyn Target>),
    /// The client sends requests; answers go to its link of [`LinkEnd::Answers`].
    Requests(Arc<dyn Requests>),
    /// The client receives answers.
    Answers,
}

/// Gives messages to a client.
pub trait Source: Send {
    /// The next messages, at least one and no more than `credit`; an error ends the link. Without
    /// credit only an error comes: somebody else may take the link's place at any time, so it is asked
    /// then, too.
    fn poll_next(&mut self, context: &mut Context<'_>, credit: u32) -> Poll<Result<Vec<Item>, Fault>>;

    /// What became of a message that was given out with a key; the answer is what is told to clients
    /// that want to hear it.
    fn settle(&mut self, key: u128, outcome: Outcome) -> Soon<Outcome>;

    /// Whether messages are sent without waiting for outcomes, where the client leaves that open.
    fn is_settled(&self) -> bool;
}

/// A message for a client.
#[derive(Clone, Debug)]
pub struct Item {
    pub key: u128,
    /// Counted where there is none.
    pub tag: Option<Bytes>,
    /// Encoded.
    pub payload: Bytes,
}

/// Takes messages of a client.
pub trait Target: Send + Sync {
    fn take(&self, message: Sections) -> Soon<Outcome>;
}

/// Answers requests.
pub trait Requests: Send + Sync {
    /// The answer, encoded; its correlation id is in it.
    fn ask(&self, request: Sections) -> Soon<Bytes>;
}
