//! Links that a service stands behind: sources, targets and requests.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use skerry_amqp::codec::CodecLimits;
use skerry_amqp::connection::{Delivery, DeliveryId, LinkId, Outgoing};
use skerry_amqp::message::Sections;
use skerry_amqp::performative::{Fault, Outcome, condition};
use tokio::io::{AsyncRead, AsyncWrite};

use super::asked::Answer;
use super::link::{Purpose, too_large};
use super::{Conversation, Key};
use crate::device::Soon;
use crate::link::{Item, Requests, Source, Target};

/// Messages that a source is asked for at a time, whatever the client wants.
const ITEMS_AT_ONCE: u32 = 256;

/// A source with what it gave.
pub(super) struct Given {
    source: Box<dyn Source>,
    bell: Waker,
    /// There was no room to send them.
    waiting: VecDeque<Item>,
    /// Sent, and without an outcome that the source wants to know.
    keys: BTreeMap<DeliveryId, u128>,
    wants_outcomes: bool,
}

impl Purpose {
    pub(super) fn of_source(source: Box<dyn Source>, bell: Waker) -> Self {
        let wants_outcomes = !source.is_settled();
        let (waiting, keys) = (VecDeque::new(), BTreeMap::new());
        Self::Source(Box::new(Given { source, bell, waiting, keys, wants_outcomes }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// There is room again for what is sent.
    pub(super) fn ring_sources(&mut self) {
        for (id, link) in &self.links {
            match &link.purpose {
                Purpose::Source(given) => given.bell.wake_by_ref(),
                Purpose::Commands { .. } => self.bells.bell(Key::Credit(*id)).wake_by_ref(),
                _ if link.has_mail() => self.bells.bell(Key::Credit(*id)).wake_by_ref(),
                _ => {}
            }
        }
    }

    /// Sends what a source has, as far as the client wants it and reads it.
    pub(super) fn ask_source(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.links.get_mut(&id) else { return };
            let is_settled = link.is_settled;
            let Purpose::Source(given) = &mut link.purpose else { return };
            while self.machine.is_ready(id) {
                let Some(Item { key, tag, payload }) = given.waiting.pop_front() else { break };
                match self.machine.send(id, Outgoing { tag, is_settled, payload, format: 0 }) {
                    Some(_) if !given.wants_outcomes => {}
                    Some(delivery) if !is_settled => {
                        given.keys.insert(delivery, key);
                    }
                    Some(_) => {
                        let settling = given.source.settle(key, Outcome::Accepted);
                        self.asked.push(&self.bells, Box::pin(async move { settled(settling).await }));
                    }
                    None => return self.drop_link(id, Some(too_large())),
                }
            }
            let is_ready = given.waiting.is_empty() && self.machine.is_ready(id);
            let credit = if is_ready { self.machine.credit(id).min(ITEMS_AT_ONCE) } else { 0 };
            match given.source.poll_next(&mut Context::from_waker(&given.bell), credit) {
                Poll::Ready(Ok(items)) if is_ready => {
                    self.shared.figures.amqp_events.add(items.len() as u64);
                    given.waiting = items.into();
                }
                Poll::Ready(Err(fault)) => return self.drop_link(id, Some(fault)),
                Poll::Pending if is_ready => {
                    given.waiting = VecDeque::new();
                    if self.machine.wants_drain(id) {
                        self.machine.drain(id);
                    }
                    return;
                }
                // Nothing is to come now; it may still say that the link is another's.
                Poll::Ready(Ok(_)) | Poll::Pending => return,
            }
        }
    }

    pub(super) fn settle_source(
        &mut self,
        id: LinkId,
        delivery: DeliveryId,
        outcome: Outcome,
        is_settled: bool,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Purpose::Source(given) = &mut link.purpose else { return };
        let Some(key) = given.keys.remove(&delivery) else {
            // Nothing hangs on its outcome.
            if !is_settled {
                self.machine.settle_sent(id, delivery, outcome);
            }
            return;
        };
        let settling = given.source.settle(key, outcome);
        let soon = Box::pin(async move {
            let told = settling.await;
            Answer::Settled { link: id, delivery, tell: (!is_settled).then_some(told) }
        });
        self.asked.push(&self.bells, soon);
    }

    pub(super) fn take_message(&mut self, id: LinkId, delivery: &Delivery, target: &dyn Target) {
        let message = match Sections::decode(delivery.payload.clone(), CodecLimits::default()) {
            Ok(message) => message,
            Err(error) => {
                let fault = Fault::new(condition::DECODE_ERROR, error.to_string());
                return self.settle(id, delivery, Outcome::rejected(fault));
            }
        };
        let (number, bytes, is_settled) = (delivery.id, delivery.payload.len(), delivery.is_settled);
        self.open_bytes += bytes;
        let taking = target.take(message);
        let soon = Box::pin(async move {
            let outcome = taking.await;
            Answer::Taken { link: id, delivery: (!is_settled).then_some(number), bytes, outcome }
        });
        self.asked.push_publish(&self.bells, soon);
    }

    pub(super) fn tell_taken(
        &mut self,
        link: LinkId,
        delivery: Option<DeliveryId>,
        bytes: usize,
        outcome: Outcome,
    ) {
        self.open_bytes -= bytes;
        match delivery {
            Some(delivery) => self.machine.settle(link, delivery, delivery, outcome),
            None => self.machine.forget(link, 1),
        }
    }

    pub(super) fn take_request(&mut self, link: LinkId, request: Sections, requests: &dyn Requests) {
        let reply_to = request.properties.reply_to.as_text().map(str::to_owned);
        let answering = requests.ask(request);
        let soon = Box::pin(async move { Answer::Answered { link, reply_to, answer: answering.await } });
        self.asked.push(&self.bells, soon);
    }
}

async fn settled(settling: Soon<Outcome>) -> Answer {
    drop(settling.await);
    Answer::Nothing
}
