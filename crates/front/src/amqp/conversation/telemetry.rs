//! Messages of devices: what came together is kept together, and each has its outcome.

use std::sync::Arc;

use skerry_amqp::connection::{Delivery, DeliveryId, LinkId};
use skerry_amqp::message::read_batch;
use skerry_amqp::performative::{Fault, Outcome, condition};
use skerry_model::limits::DEVICE_MESSAGE_BYTES_MAX;
use skerry_model::message::{Message, MessageError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::asked::Answer;
use crate::device::PublishRefused;
use crate::ingest::Taken;

/// The words of IoT hubs for what AMQP has none.
const ARGUMENT: &str = "com.microsoft:argument-error";
const THROTTLED: &str = "com.microsoft:device-container-throttled";

/// What is to be kept, in the order in which it came.
#[derive(Default)]
pub(super) struct Batches {
    batches: Vec<Batch>,
    bytes: usize,
}

/// Of one link, one after the other.
struct Batch {
    link: LinkId,
    identity: u32,
    messages: Vec<Message>,
    /// Those that wait for an outcome, and how many do not.
    deliveries: Vec<DeliveryId>,
    settled: u32,
    bytes: usize,
}

/// Is being kept.
pub(super) struct Published {
    link: LinkId,
    deliveries: Vec<DeliveryId>,
    settled: u32,
    bytes: usize,
    taken: Arc<Taken>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn take_telemetry(&mut self, id: LinkId, delivery: &Delivery) {
        let Some(identity) = self.links.get(&id).and_then(|link| link.identity) else { return };
        let bytes = delivery.payload.len();
        let mut messages = Vec::new();
        let read = read_batch(delivery.format, delivery.payload.clone(), &mut messages);
        let fault = read.map_err(|error| Fault::new(ARGUMENT, error.to_string())).and_then(|()| {
            messages
                .iter()
                .try_for_each(|message| message.check(DEVICE_MESSAGE_BYTES_MAX))
                .map_err(|error| invalid(&error))
        });
        if let Err(fault) = fault {
            return self.settle(id, delivery, Outcome::rejected(fault));
        }
        self.open_bytes += bytes;
        self.batches.bytes += bytes;
        let batch = match self.batches.batches.last_mut() {
            Some(last) if last.link == id => last,
            _ => {
                let batch = Batch {
                    link: id,
                    identity,
                    messages: Vec::new(),
                    deliveries: Vec::new(),
                    settled: 0,
                    bytes: 0,
                };
                self.batches.batches.push(batch);
                self.batches.batches.last_mut().expect("one was just pushed")
            }
        };
        batch.messages.append(&mut messages);
        batch.bytes += bytes;
        if delivery.is_settled {
            batch.settled += 1;
        } else {
            batch.deliveries.push(delivery.id);
        }
    }

    /// Hands over what came, or waits for room first.
    pub(super) fn publish_batches(&mut self) {
        if self.batches.batches.is_empty() || self.waiting.is_some() {
            return;
        }
        match self.shared.ingest.try_take(self.batches.bytes) {
            Some(taken) => self.publish_taken(taken),
            None => {
                self.shared.figures.amqp_waits_for_room.increment();
                self.waiting = Some(self.shared.ingest.take(self.batches.bytes));
            }
        }
    }

    pub(super) fn publish_taken(&mut self, taken: Taken) {
        let taken = Arc::new(taken);
        for batch in std::mem::take(&mut self.batches).batches {
            let Batch { link, identity, messages, deliveries, settled, bytes } = batch;
            let identity = self.identities.get(&identity);
            let Some(session) = identity.and_then(|identity| identity.session()) else {
                // Its links are gone; nobody is told anything.
                self.open_bytes -= bytes;
                continue;
            };
            self.shared.figures.amqp_messages.add(messages.len() as u64);
            let publishing = session.publish(messages);
            let published = Published { link, deliveries, settled, bytes, taken: Arc::clone(&taken) };
            let soon = Box::pin(async move { Answer::Published { outcome: publishing.await, published } });
            self.asked.push_publish(&self.bells, soon);
        }
    }

    pub(super) fn tell_published(&mut self, published: Published, outcome: Result<(), PublishRefused>) {
        let Published { link, deliveries, settled, bytes, taken } = published;
        self.open_bytes -= bytes;
        let outcome = match outcome {
            Ok(()) => {
                taken.note_durable();
                Outcome::Accepted
            }
            Err(refused) => {
                self.shared.figures.amqp_messages_refused.add(deliveries.len() as u64);
                let condition = match refused {
                    PublishRefused::Invalid { .. } => ARGUMENT,
                    PublishRefused::Throttled { .. } => THROTTLED,
                    PublishRefused::Unavailable(_) => condition::INTERNAL_ERROR,
                };
                Outcome::rejected(Fault::new(condition, refused.to_string()))
            }
        };
        for run in deliveries.chunk_by(|one, next| one.wrapping_add(1) == *next) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                self.machine.settle(link, *first, *last, outcome.clone());
            }
        }
        if settled > 0 {
            self.machine.forget(link, settled);
        }
    }
}

fn invalid(error: &MessageError) -> Fault {
    let condition = match error {
        MessageError::Size { .. } => condition::MESSAGE_SIZE_EXCEEDED,
        _ => ARGUMENT,
    };
    Fault::new(condition, error.to_string())
}
