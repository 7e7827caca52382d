//! What the client sends.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use skerry_model::message::Message;
use skerry_mqtt::packet::{
    Packet, PacketId, Packets, Publish, Qos, Sender, SubackCode, Subscribe, Unsubscribe, Will,
};
use skerry_mqtt::server::{Event, Violation};
use skerry_mqtt::topic::{Bag, Inbound, Subscription};
use tokio::io::{AsyncRead, AsyncWrite};

use super::asked::Answer;
use super::end::End;
use super::turns::{Fate, Turn};
use super::{ASKED_MAX, Held, Session};
use crate::device::{NotSettled, Settlement, Subscriptions};
use crate::ingest::Taken;

/// Set on messages of clients that want them retained, which hubs do not do.
const RETAIN: &str = "mqtt-retain";
/// Marks the message that a client left for the case that it goes without a word.
const MESSAGE_TYPE: &str = "iothub-MessageType";

/// Packets on their way to the machine, with the room that they take.
pub(super) struct Work {
    packets: Packets,
    taken: Option<Taken>,
}

/// Messages in a row, kept together.
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    ids: Vec<PacketId>,
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Takes in a block of whole packets, or waits for room first.
    pub(super) fn receive(&mut self, block: Bytes) {
        match self.shared.ingest.try_take(block.len()) {
            Some(taken) => self.begin(block, Some(taken)),
            // Questions are answered even if there is no room for messages.
            None if !has_messages(&block) => self.begin(block, None),
            None => {
                self.shared.figures.mqtt_waits_for_room.increment();
                let wait = self.shared.ingest.take(block.len());
                self.waiting = Some((block, wait));
            }
        }
    }

    /// There is room for the block that waited.
    pub(super) fn go_on(&mut self, taken: Taken) {
        if let Some((block, _)) = self.waiting.take() {
            self.begin(block, Some(taken));
        }
    }

    fn begin(&mut self, block: Bytes, taken: Option<Taken>) {
        self.work = Some(Work { packets: Packets::new(block, Sender::Client), taken });
    }

    /// Goes through the packets that are there, as far as questions may be asked.
    pub(super) fn work(&mut self) -> Result<(), End> {
        let Some(mut work) = self.work.take() else { return Ok(()) };
        let mut batch = Batch::default();
        let outcome = loop {
            if self.asked.len() >= ASKED_MAX {
                self.work = Some(Work { packets: work.packets, taken: None });
                break Ok(());
            }
            let Some(packet) = work.packets.next() else { break Ok(()) };
            let handled = packet.map_err(|malformed| Violation::from(malformed).into());
            if let Err(end) = handled.and_then(|packet| self.handle(packet, &mut batch)) {
                break Err(end);
            }
        };
        // What came before a mistake is kept all the same.
        self.publish(batch, work.taken);
        outcome
    }

    fn handle(&mut self, packet: Packet, batch: &mut Batch) -> Result<(), End> {
        match self.machine.handle_packet(packet, &mut self.wire.out)? {
            None => Ok(()),
            Some(Event::Publish(publish)) => self.take_publish(publish, batch),
            Some(Event::Delivered(lease)) => {
                self.complete(lease);
                Ok(())
            }
            Some(Event::Subscribe(subscribe)) => self.subscribe(&subscribe),
            Some(Event::Unsubscribe(unsubscribe)) => {
                self.unsubscribe(&unsubscribe);
                Ok(())
            }
            Some(Event::Disconnect) => Err(End::Goodbye),
            // The machine gives it only once.
            Some(Event::Connect(_)) => Err(Violation::SecondConnect.into()),
        }
    }

    fn take_publish(&mut self, publish: Publish, batch: &mut Batch) -> Result<(), End> {
        let inbound = Inbound::parse(&publish.topic, &self.user.device, self.user.module.as_ref())?;
        let client = &self.client;
        match inbound {
            Inbound::Telemetry(bag) => {
                let bytes = publish.payload.len() + publish.topic.as_bytes().len();
                batch.messages.push(message(bag, publish.payload, publish.retain));
                batch.ids.extend(publish.packet_id);
                batch.bytes += bytes;
                return Ok(());
            }
            Inbound::TwinGet { request } => {
                let (request, twin) = (request.to_owned(), client.twin());
                self.asked.push(Box::pin(async move { Answer::Twin { request, outcome: twin.await } }));
            }
            Inbound::TwinReport { request, version } => {
                let (request, report) = (request.to_owned(), client.report(publish.payload, version));
                self.asked.push(Box::pin(async move { Answer::Reported { request, outcome: report.await } }));
            }
            Inbound::MethodAnswer { status, request } => client.answer(request, status, publish.payload),
        }
        if let Some(id) = publish.packet_id {
            // Some clients need acknowledgements in the order of their publishes.
            self.publish(std::mem::take(batch), None);
            self.turns.push(Turn { ids: vec![id], fate: Fate::Known(Ok(())), bytes: 0, taken: None });
        }
        Ok(())
    }

    fn publish(&mut self, batch: Batch, taken: Option<Taken>) {
        if batch.messages.is_empty() {
            return;
        }
        self.shared.figures.mqtt_publishes.add(batch.messages.len() as u64);
        let fate = Fate::Open(self.client.publish(batch.messages));
        self.turns.push(Turn { ids: batch.ids, fate, bytes: batch.bytes, taken });
    }

    pub(super) fn complete(&mut self, lease: Held) {
        let mut complete = self.client.settle(lease, Settlement::Complete);
        // Mostly that is done at once.
        let at_once = complete.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match at_once {
            Poll::Ready(Ok(()) | Err(NotSettled::LockLost)) => {}
            Poll::Ready(outcome) => self.asked.push(Box::pin(async move { Answer::Completed(outcome) })),
            Poll::Pending => self.asked.push(Box::pin(async move { Answer::Completed(complete.await) })),
        }
    }

    fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), End> {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for (filter, qos) in &subscribe.filters {
            let Some(kind) = Subscription::of(filter, &self.user.device, self.user.module.as_ref()) else {
                return Err(End::Filter { filter: filter.as_str().chars().take(200).collect() });
            };
            // Quality of service 2 is granted as 1.
            let granted = (*qos).min(Qos::AtLeastOnce);
            self.subscriptions.set(kind, Some(granted));
            codes.push(SubackCode::Granted(granted));
        }
        let (id, subscribed) = (subscribe.packet_id, self.tell_subscriptions());
        self.asked.push(Box::pin(async move { Answer::Subscribed { id, codes, outcome: subscribed.await } }));
        Ok(())
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) {
        for filter in &unsubscribe.filters {
            if let Some(kind) = Subscription::of(filter, &self.user.device, self.user.module.as_ref()) {
                self.subscriptions.set(kind, None);
            }
        }
        let (id, unsubscribed) = (unsubscribe.packet_id, self.tell_subscriptions());
        self.asked.push(Box::pin(async move { Answer::Unsubscribed { id, outcome: unsubscribed.await } }));
    }

    fn tell_subscriptions(&self) -> crate::device::Soon<Result<(), crate::device::Unavailable>> {
        let subscriptions: Subscriptions = self.subscriptions;
        self.client.subscribe(subscriptions)
    }

    /// The client went without a word and left one for this case.
    pub(super) async fn publish_will(&mut self, will: Will) {
        let module = self.user.module.as_ref();
        let Ok(Inbound::Telemetry(bag)) = Inbound::parse(&will.topic, &self.user.device, module) else {
            tracing::debug!(device = %self.user.device, "A will has a topic that cannot be used.");
            return;
        };
        let mut message = message(bag, will.payload, will.retain);
        message.application.push((MESSAGE_TYPE.to_owned(), "Will".to_owned()));
        if let Err(error) = self.client.publish(vec![message]).await {
            tracing::debug!(device = %self.user.device, %error, "A will could not be kept.");
        }
    }
}

fn has_messages(block: &Bytes) -> bool {
    Packets::new(block.clone(), Sender::Client).any(|packet| match packet {
        Ok(Packet::Publish(publish)) => !publish.topic.starts_with("$iothub/"),
        _ => false,
    })
}

fn message(bag: Bag, body: Bytes, retain: bool) -> Message {
    let Bag { system, mut application } = bag;
    if retain {
        application.push((RETAIN.to_owned(), "true".to_owned()));
    }
    Message { body, system, application }
}
