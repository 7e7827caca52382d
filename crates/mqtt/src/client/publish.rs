//! Messages: out with QoS 0 and 1, and the acknowledgements of both sides.

use bytes::Bytes;

use super::{Client, Ended, Event, Pending};
use crate::packet::{Ack, PUBLISH_HEAD_MAX, Packet, PacketId, Publish, Qos, Text};

/// Why something was not sent; nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    #[error("the connection is not open, wait for the event that says so")]
    NotOpen,
    #[error("too much waits for the server's answer, wait for an event")]
    Full,
    #[error("the packet would have {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong { bytes: usize, bytes_max: usize },
    #[error("there is no topic, or a wildcard in it")]
    Topic,
    #[error("there is no filter, name at least one")]
    NoFilter,
}

/// A publish that was not sent, with what was to be kept with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsent<T> {
    pub item: T,
    pub reason: NotSent,
}

impl<T> Client<T> {
    /// Whether one more publish with QoS 1, or one more request, may wait for its answer.
    pub fn has_room(&self) -> bool {
        !self.pending.is_full()
    }

    /// What waits for the server's answer.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Sends with QoS 0, for what may be lost.
    pub fn send(&mut self, topic: Text, payload: Bytes, out: &mut Vec<u8>) -> Result<(), NotSent> {
        self.judge(&topic, &payload)?;
        publish(topic, payload, Qos::AtMostOnce, None, false).encode(out);
        self.keep_alive.speak();
        Ok(())
    }

    /// Sends with QoS 1, and keeps `item` until the server has acknowledged.
    pub fn publish(
        &mut self,
        topic: Text,
        payload: Bytes,
        item: T,
        out: &mut Vec<u8>,
    ) -> Result<(), Unsent<T>> {
        if let Err(reason) = self.judge(&topic, &payload) {
            return Err(Unsent { item, reason });
        }
        if self.pending.is_full() {
            return Err(Unsent { item, reason: NotSent::Full });
        }
        let id = self.pending.insert(Pending::Publish(item)).ok().expect("what is not full has room");
        publish(topic, payload, Qos::AtLeastOnce, Some(id), false).encode(out);
        self.keep_alive.speak();
        Ok(())
    }

    fn judge(&self, topic: &Text, payload: &Bytes) -> Result<(), NotSent> {
        if !self.is_open() {
            return Err(NotSent::NotOpen);
        }
        if topic.is_empty() || topic.contains(['#', '+']) {
            return Err(NotSent::Topic);
        }
        self.judge_length(PUBLISH_HEAD_MAX + topic.len() + payload.len())
    }

    pub(super) fn judge_length(&self, bytes: usize) -> Result<(), NotSent> {
        let bytes_max = self.limits.packet_bytes_max;
        if bytes > bytes_max { Err(NotSent::TooLong { bytes, bytes_max }) } else { Ok(()) }
    }

    /// After a restart: sends everything that was not acknowledged once more, in order, under the
    /// ids that it had. `message` makes topic and payload from what was kept.
    pub fn resend(&mut self, message: impl Fn(&T) -> (Text, Bytes), out: &mut Vec<u8>) {
        if !self.is_open() {
            return;
        }
        for (id, pending) in self.pending.iter() {
            if let Pending::Publish(item) = pending {
                let (topic, payload) = message(item);
                publish(topic, payload, Qos::AtLeastOnce, Some(id), true).encode(out);
            }
        }
        self.keep_alive.speak();
    }

    /// Takes what was published and not acknowledged, in order: nothing of it is sent again, and
    /// an open connection ends at the answer to any of it.
    pub fn take_unacknowledged(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.pending.take().filter_map(|pending| match pending {
            Pending::Publish(item) => Some(item),
            Pending::Subscribe { .. } | Pending::Unsubscribe => None,
        })
    }

    /// Acknowledges a message, by its id.
    pub fn settle(&mut self, id: PacketId, out: &mut Vec<u8>) {
        if self.is_open() {
            Packet::Ack(Ack::puback(id)).encode(out);
            self.keep_alive.speak();
        }
    }

    pub(super) fn handle_puback(&mut self, id: PacketId) -> Result<Event<T>, Ended> {
        // Looked at before it is taken: what is published must not be lost by a wrong answer.
        self.expect(id, |pending| matches!(pending, Pending::Publish(_)))?;
        match self.pending.remove(id) {
            Some(Pending::Publish(item)) => Ok(Event::Published(item)),
            _ => Err(Ended::Unasked),
        }
    }

    /// Whether the server has something of that kind to answer under this id.
    pub(super) fn expect(&self, id: PacketId, is_fit: fn(&Pending<T>) -> bool) -> Result<(), Ended> {
        let pending = self.pending.iter().find(|(known, _)| *known == id);
        pending.filter(|(_, pending)| is_fit(pending)).map(drop).ok_or(Ended::Unasked)
    }
}

fn publish(topic: Text, payload: Bytes, qos: Qos, packet_id: Option<PacketId>, dup: bool) -> Packet {
    Packet::Publish(Publish { dup, qos, retain: false, topic, packet_id, payload })
}
