//! What the client wants to hear, and no longer wants to hear.

use super::{Client, Ended, Event, NotSent, Pending};
use crate::packet::{Filter, Packet, PacketId, Qos, Suback, Subscribe, Unsubscribe};

/// The head of the packet and its id, at most.
const HEAD_MAX: usize = 5 + 2;

impl<T> Client<T> {
    /// Asks for all that lies under the filters; the answer comes with the same id. Quality of
    /// service 2 is asked for as 1.
    pub fn subscribe(&mut self, filters: Vec<(Filter, Qos)>, out: &mut Vec<u8>) -> Result<PacketId, NotSent> {
        let lengths = filters.iter().map(|(filter, _)| filter.as_str().len() + 3);
        let packet_id =
            self.ask(lengths.sum(), filters.len(), Pending::Subscribe { filters: filters.len() })?;
        let filters = filters.into_iter().map(|(filter, qos)| (filter, qos.min(Qos::AtLeastOnce))).collect();
        Packet::Subscribe(Subscribe { packet_id, filters }).encode(out);
        Ok(packet_id)
    }

    pub fn unsubscribe(&mut self, filters: Vec<Filter>, out: &mut Vec<u8>) -> Result<PacketId, NotSent> {
        let lengths = filters.iter().map(|filter| filter.as_str().len() + 2);
        let packet_id = self.ask(lengths.sum(), filters.len(), Pending::Unsubscribe)?;
        Packet::Unsubscribe(Unsubscribe { packet_id, filters }).encode(out);
        Ok(packet_id)
    }

    fn ask(&mut self, bytes: usize, filters: usize, pending: Pending<T>) -> Result<PacketId, NotSent> {
        if !self.is_open() {
            return Err(NotSent::NotOpen);
        }
        if filters == 0 {
            return Err(NotSent::NoFilter);
        }
        self.judge_length(HEAD_MAX + bytes)?;
        let id = self.pending.insert(pending).map_err(|_| NotSent::Full)?;
        self.keep_alive.speak();
        Ok(id)
    }

    pub(super) fn handle_suback(&mut self, suback: Suback) -> Result<Event<T>, Ended> {
        let Suback { packet_id, codes } = suback;
        self.expect(packet_id, |pending| matches!(pending, Pending::Subscribe { .. }))?;
        match self.pending.remove(packet_id) {
            Some(Pending::Subscribe { filters }) if filters == codes.len() => {
                Ok(Event::Subscribed { packet_id, codes })
            }
            _ => Err(Ended::Grants),
        }
    }

    pub(super) fn handle_unsuback(&mut self, packet_id: PacketId) -> Result<Event<T>, Ended> {
        self.expect(packet_id, |pending| matches!(pending, Pending::Unsubscribe))?;
        self.pending.remove(packet_id);
        Ok(Event::Unsubscribed { packet_id })
    }
}
