//! A link, and what it is for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use skerry_amqp::address::{NoSuchNode, Node};
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{DeliveryId, LinkId, Outgoing};
use skerry_amqp::performative::{Attach, Fault, Role, SenderSettles, condition};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::service::Given;
use crate::amqp::{MAIL_BYTES_MAX, MAIL_MAX};
use crate::device::Lease;
use crate::link::{Requests, Target};

pub(super) struct Link {
    pub(super) purpose: Purpose,
    /// The client's.
    pub(super) role: Role,
    /// Of the identity that it belongs to.
    pub(super) identity: Option<u32>,
    /// What joins a link of requests with one of answers.
    pub(super) correlation: Option<Box<str>>,
    /// Where the client's end is, as it calls it: answers name it.
    pub(super) place: Option<Box<str>>,
    /// Nobody waits for the outcome of what is sent on it.
    pub(super) is_settled: bool,
    mode: SenderSettles,
    /// The audience of the token that allowed it.
    pub(super) audience: Option<Box<str>>,
    /// What waits for credit.
    mail: VecDeque<Outgoing>,
}

pub(super) enum Purpose {
    /// Nobody has decided about it.
    Asked {
        node: Node,
        attach: Arc<Attach>,
    },
    Tokens,
    Telemetry,
    /// Commands, or messages for a module that come by an edge's routes.
    Commands {
        held: BTreeMap<DeliveryId, Lease>,
    },
    Methods,
    Twin,
    Source(Box<Given>),
    Target(Arc<dyn Target>),
    Requests(Arc<dyn Requests>),
    Answers,
}

impl Link {
    /// What a client asks for.
    pub(super) fn new(attach: Arc<Attach>) -> Result<Self, NoSuchNode> {
        let source = attach.source.as_ref().map(|source| &source.address);
        let target = attach.target.as_ref().map(|target| &target.address);
        let (address, place) = match attach.role {
            Role::Sender => (target, source),
            Role::Receiver => (source, target),
        };
        let place = place.and_then(Value::as_text).filter(|place| !place.is_empty());
        Ok(Self {
            role: attach.role,
            identity: None,
            correlation: attach.property("com.microsoft:channel-correlation-id").map(Into::into),
            place: place.map(Into::into),
            is_settled: attach.sender_settles != SenderSettles::Unsettled,
            mode: attach.sender_settles,
            audience: None,
            mail: VecDeque::new(),
            purpose: Purpose::Asked {
                node: Node::parse(address.and_then(Value::as_text).unwrap_or_default())?,
                attach,
            },
        })
    }

    /// Whether messages are sent without waiting for outcomes, where it is so by default or not.
    pub(super) fn is_settled_by(&self, default: bool) -> bool {
        match self.mode {
            SenderSettles::Settled => true,
            SenderSettles::Unsettled => false,
            SenderSettles::Mixed => default,
        }
    }

    pub(super) fn has_mail(&self) -> bool {
        !self.mail.is_empty()
    }
}

/// What is passed over in silence would be waited for, or missed.
pub(super) fn too_large() -> Fault {
    Fault::new(condition::MESSAGE_SIZE_EXCEEDED, "there is a message that is larger than the client takes")
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Sends a message as soon as there is credit. A client that gives none loses the link.
    pub(super) fn mail(&mut self, to: LinkId, payload: impl Into<Bytes>) {
        let Some(link) = self.links.get_mut(&to) else { return };
        let payload = payload.into();
        let waiting: usize = link.mail.iter().map(|outgoing| outgoing.payload.len()).sum();
        // One may be larger than all of the room.
        let is_full = !link.mail.is_empty() && waiting + payload.len() > MAIL_BYTES_MAX;
        if is_full || link.mail.len() >= MAIL_MAX {
            let text = "messages wait for credit that does not come";
            return self.drop_link(to, Some(Fault::new(condition::RESOURCE_LIMIT_EXCEEDED, text)));
        }
        let is_settled = link.is_settled;
        link.mail.push_back(Outgoing { is_settled, payload, ..Outgoing::default() });
        self.send_mail(to);
    }

    pub(super) fn send_mail(&mut self, to: LinkId) {
        let Some(link) = self.links.get_mut(&to) else { return };
        while self.machine.is_ready(to) {
            let Some(outgoing) = link.mail.pop_front() else { break };
            if self.machine.send(to, outgoing).is_none() {
                return self.drop_link(to, Some(too_large()));
            }
        }
        if link.mail.is_empty() {
            link.mail = VecDeque::new();
            let is_source = matches!(link.purpose, Purpose::Source(_));
            if self.machine.wants_drain(to) && !is_source {
                self.machine.drain(to);
            }
        }
    }

    /// The client's link that answers to requests on `from` go to: of the same pair, or named by the
    /// request, or in the same session, or any.
    pub(super) fn answers_of(&self, from: LinkId, reply_to: Option<&str>) -> Option<LinkId> {
        let asked = self.links.get(&from)?;
        let is_pair = |link: &Link| match (&asked.purpose, &link.purpose) {
            (Purpose::Tokens, Purpose::Tokens)
            | (Purpose::Twin, Purpose::Twin)
            | (Purpose::Methods, Purpose::Methods) => link.identity == asked.identity,
            (Purpose::Requests(_), Purpose::Answers) => true,
            _ => false,
        };
        let candidates = || {
            self.links
                .iter()
                .filter(|(_, link)| link.role == Role::Receiver && is_pair(link))
                .map(|(id, link)| (*id, link))
        };
        let is_named = |link: &Link| reply_to.is_some() && link.place.as_deref() == reply_to;
        let is_joined = |link: &Link| asked.correlation.is_some() && link.correlation == asked.correlation;
        let best = candidates().find(|(_, link)| is_named(link) || is_joined(link));
        let best = best.or_else(|| candidates().rfind(|(id, _)| id.session() == from.session()));
        best.or_else(|| candidates().next_back()).map(|(id, _)| id)
    }

    /// Ends a link from our side.
    pub(super) fn drop_link(&mut self, id: LinkId, fault: Option<Fault>) {
        self.machine.detach(id, fault);
        self.forget_link(id);
    }

    /// A link is gone: what hung on it is given back.
    pub(super) fn forget_link(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        let Some(key) = link.identity else { return };
        if let Purpose::Commands { held } = link.purpose {
            self.give_back(key, held.into_values());
        }
        self.leave_identity(key, id);
    }
}
