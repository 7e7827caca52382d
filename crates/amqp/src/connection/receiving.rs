//! Messages of the peer.

use bytes::{Bytes, BytesMut};

use super::Connection;
use super::event::{Delivery, DeliveryId, Event, LinkId};
use super::link::{Incoming, Link};
use crate::performative::{Disposition, Fault, Outcome, Performative, Role, Transfer, condition};

const TAG_BYTES_MAX: usize = 32;

impl Connection {
    pub(super) fn handle_transfer(
        &mut self,
        slot: u16,
        transfer: Transfer,
        payload: Bytes,
    ) -> Result<(), Fault> {
        let window = self.options.window;
        let partial_bytes = self.partial_bytes;
        let partial_bytes_max = self.options.partial_bytes_max;
        let Some(session) = self.session(slot).filter(|session| !session.is_ending) else { return Ok(()) };
        session.next_incoming = session.next_incoming.wrapping_add(1);
        session.incoming_window = session.incoming_window.checked_sub(1).ok_or_else(|| {
            Fault::new(condition::WINDOW_VIOLATION, "more frames came than the window allows")
        })?;
        let wants_flow = session.incoming_window <= window / 2;
        if wants_flow {
            session.incoming_window = window;
        }
        let Some((handle, link)) = session.by_peer(transfer.handle) else {
            return Err(Fault::new(condition::UNATTACHED_HANDLE, "there is no link with this handle"));
        };
        let id = LinkId { session: slot, handle, serial: link.serial };
        if link.role == Role::Sender {
            return Err(Fault::new(condition::NOT_ALLOWED, "messages come on a link that we send on"));
        }
        let before = link.incoming.as_ref().map_or(0, |incoming| incoming.payload.len());
        // What was on its way when the link ended concerns nobody.
        let outcome = if link.is_detaching() { Ok(None) } else { link.take(transfer, payload) };
        let after = link.incoming.as_ref().map_or(0, |incoming| incoming.payload.len());
        let partial_bytes = partial_bytes - before + after;
        self.partial_bytes = partial_bytes;
        if wants_flow {
            self.put_flow(slot, None);
        }
        let outcome = match outcome {
            Ok(_) if partial_bytes > partial_bytes_max => {
                Err(Fault::new(condition::RESOURCE_LIMIT_EXCEEDED, "too many messages are in the making"))
            }
            outcome => outcome,
        };
        match outcome {
            Ok(Some(delivery)) => self.events.push_back(Event::Delivery { link: id, delivery }),
            Ok(None) => {}
            Err(fault) => {
                self.events.push_back(Event::Detached { link: id, fault: Some(fault.clone()) });
                self.detach(id, Some(fault));
            }
        }
        self.end_recall(id);
        self.refresh_credit(id);
        Ok(())
    }

    /// Says what became of messages that came one after the other on this link.
    pub fn settle(&mut self, id: LinkId, first: DeliveryId, last: DeliveryId, outcome: Outcome) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_mut(id).filter(|link| !link.is_detaching()) else { return };
        let count = last.wrapping_sub(first).wrapping_add(1);
        link.outstanding = link.outstanding.saturating_sub(count);
        let disposition = Disposition {
            role: Role::Receiver,
            first,
            last: Some(last),
            is_settled: true,
            state: Some(outcome),
            is_batchable: false,
        };
        self.put(id.session, &Performative::Disposition(disposition));
        self.refresh_credit(id);
    }

    /// A message that came settled has been dealt with: there is room for another.
    pub fn forget(&mut self, id: LinkId, count: u32) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_mut(id) else { return };
        link.outstanding = link.outstanding.saturating_sub(count);
        self.refresh_credit(id);
    }
}

impl Link {
    /// A whole message, or a part of one.
    fn take(&mut self, transfer: Transfer, payload: Bytes) -> Result<Option<Delivery>, Fault> {
        if transfer.is_aborted {
            // The sender has counted it, if it had not begun before.
            if self.incoming.take().is_none() {
                self.credit = self.credit.saturating_sub(1);
                self.delivery_count = self.delivery_count.wrapping_add(1);
            }
            return Ok(None);
        }
        if let Some(incoming) = &mut self.incoming {
            let bytes = incoming.payload.len() + payload.len();
            if bytes as u64 > self.message_bytes_max {
                return Err(too_large(self.message_bytes_max));
            }
            let is_other = transfer.delivery.is_some_and(|delivery| delivery != incoming.delivery);
            if is_other {
                return Err(Fault::new(condition::NOT_ALLOWED, "a message began before the last one ended"));
            }
            incoming.payload.extend_from_slice(&payload);
            incoming.is_settled |= transfer.is_settled.unwrap_or_default();
            if transfer.has_more {
                return Ok(None);
            }
            let whole = self.incoming.take().map(|incoming| {
                let Incoming { delivery, tag, format, is_settled, payload } = *incoming;
                Delivery { id: delivery, tag, format, is_settled, payload: payload.freeze() }
            });
            self.outstanding += 1;
            return Ok(whole);
        }
        if payload.len() as u64 > self.message_bytes_max {
            return Err(too_large(self.message_bytes_max));
        }
        let Some(delivery) = transfer.delivery else {
            return Err(Fault::new(
                condition::INVALID_FIELD,
                "the first frame of a message has no delivery-id",
            ));
        };
        let tag = transfer.tag.unwrap_or_default();
        if tag.len() > TAG_BYTES_MAX {
            return Err(Fault::new(condition::INVALID_FIELD, "a delivery-tag has more than 32 bytes"));
        }
        if self.credit == 0 {
            return Err(Fault::new(condition::TRANSFER_LIMIT_EXCEEDED, "a message came without credit"));
        }
        self.credit -= 1;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        let (format, is_settled) =
            (transfer.format.unwrap_or_default(), transfer.is_settled.unwrap_or_default());
        if transfer.has_more {
            // Room grows with what comes.
            let (tag, payload) = (Bytes::copy_from_slice(&tag), BytesMut::from(&payload[..]));
            self.incoming = Some(Box::new(Incoming { delivery, tag, format, is_settled, payload }));
            return Ok(None);
        }
        self.outstanding += 1;
        Ok(Some(Delivery { id: delivery, tag, format, is_settled, payload }))
    }
}

fn too_large(bytes_max: u64) -> Fault {
    let text = format!("a message has more than {bytes_max} bytes");
    Fault::new(condition::MESSAGE_SIZE_EXCEEDED, text)
}
