//! Whether a client gets the link that it asks for.

use std::sync::Arc;

use skerry_amqp::address::Node;
use skerry_amqp::connection::{LinkId, Reply};
use skerry_amqp::performative::{Attach, Fault, ReceiverSettles, Role, condition};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::asked::Answer;
use super::link::Purpose;
use crate::link::{LinkEnd, Opened, Wanted};

/// Requests that a client may have on the way.
const REQUESTS_WINDOW: u32 = 100;

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn decide_link(&mut self, id: LinkId, attach: &Arc<Attach>) {
        let Some(link) = self.links.get(&id) else { return };
        let Purpose::Asked { node, .. } = &link.purpose else { return };
        match (node.clone(), link.role) {
            (Node::Cbs, _) => self.accept(id, Purpose::Tokens),
            (Node::Events(identity), _)
            | (Node::Methods(identity) | Node::Twin(identity), _)
            | (Node::Devicebound(identity), Role::Receiver) => self.join(id, attach, identity),
            (Node::Devicebound(_), Role::Sender) => {
                let text = "commands are sent to /messages/devicebound, with the device in their property to";
                self.refuse(id, Fault::new(condition::NOT_ALLOWED, text));
            }
            (node, _) => {
                let (audiences, tokens) = self.tokens.policies();
                let wanted = Wanted { node, attach: Arc::clone(attach), host: self.host.clone(), tokens };
                let opening = self.shared.links.open(wanted);
                let soon =
                    Box::pin(async move { Answer::Opened { link: id, audiences, outcome: opening.await } });
                self.asked.push(&self.bells, soon);
            }
        }
    }

    pub(super) fn tell_opened(
        &mut self,
        id: LinkId,
        audiences: Vec<Box<str>>,
        outcome: Result<Opened, Fault>,
    ) {
        let Opened { end, token } = match outcome {
            Ok(opened) => opened,
            Err(fault) => return self.refuse(id, fault),
        };
        let audience = audiences.into_iter().nth(token);
        if audience.as_deref().is_some_and(|audience| !self.tokens.has(audience)) {
            let fault = Fault::new(condition::UNAUTHORIZED_ACCESS, "the token has expired, show a new one");
            return self.refuse(id, fault);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        link.audience = audience;
        let purpose = match end {
            LinkEnd::Source(source) => {
                link.is_settled = link.is_settled_by(source.is_settled());
                let bell = self.bells.bell(super::Key::Source(id));
                // It is asked for the first time without credit: it may say at any time that the link
                // is another's.
                bell.wake_by_ref();
                Purpose::of_source(source, bell)
            }
            LinkEnd::Target(target) => Purpose::Target(target),
            LinkEnd::Requests(requests) => Purpose::Requests(requests),
            LinkEnd::Answers => Purpose::Answers,
        };
        self.accept(id, purpose);
    }

    pub(super) fn accept(&mut self, id: LinkId, purpose: Purpose) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let limits = &self.shared.limits;
        let window = match &purpose {
            Purpose::Telemetry | Purpose::Target(_) => limits.window,
            _ => REQUESTS_WINDOW,
        };
        let Purpose::Asked { attach, .. } = std::mem::replace(&mut link.purpose, purpose) else { return };
        let mut reply = Reply::to(&attach, window, limits.message_bytes_max);
        if attach.role == Role::Sender {
            // We settle at once, and there are clients that wait for nothing less.
            reply.attach.receiver_settles = ReceiverSettles::First;
        }
        self.shared.figures.amqp_links_accepted.increment();
        self.machine.accept(id, reply);
    }

    pub(super) fn refuse(&mut self, id: LinkId, fault: Fault) {
        let Some(link) = self.links.get(&id) else { return };
        if let Purpose::Asked { attach, .. } = &link.purpose {
            tracing::debug!(peer = %self.peer, link = &*attach.name, ?fault, "A link is refused.");
            self.shared.figures.amqp_links_refused.increment();
            self.machine.refuse(id, &Arc::clone(attach), fault);
        }
        self.forget_link(id);
    }
}
