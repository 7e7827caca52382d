//! Messages to the peer.

use bytes::Bytes;

use super::Connection;
use super::event::{DeliveryId, Event, LinkId};
use super::link::{Link, State};
use super::session::Sent;
use crate::frame::{HEAD_BYTES, Kind, put_frame};
use crate::performative::{Disposition, Outcome, Performative, Role, Transfer};

/// Of a transfer without its tag, at most.
const TRANSFER_BYTES_MAX: usize = 96;

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Counted where there is none.
    pub tag: Option<Bytes>,
    pub format: u32,
    /// Its outcome is of no interest.
    pub is_settled: bool,
    pub payload: Bytes,
}

impl From<Bytes> for Outgoing {
    fn from(payload: Bytes) -> Self {
        Self { payload, ..Self::default() }
    }
}

impl Connection {
    /// Whether a message may be sent on this link now.
    pub fn is_ready(&self, id: LinkId) -> bool {
        let Some(session) = self.session_at(id.session).filter(|session| !session.is_ending) else {
            return false;
        };
        let Some(link) = session.link(id) else { return false };
        link.role == Role::Sender
            && link.state == State::Attached
            && link.credit > 0
            && link.rest.is_none()
            && session.peer_window > 0
            && session.sent.len() < self.options.unsettled_max
            && self.out.len() < self.options.out_bytes_max
    }

    /// How many the peer wants at most.
    pub fn credit(&self, id: LinkId) -> u32 {
        let link = self.session_at(id.session).and_then(|session| session.link(id));
        link.map_or(0, |link| link.credit)
    }

    /// Whether the peer wants to hear when there is nothing more.
    pub fn wants_drain(&self, id: LinkId) -> bool {
        let link = self.session_at(id.session).and_then(|session| session.link(id));
        link.is_some_and(Link::wants_drain)
    }

    /// There is nothing more for now.
    pub fn drain(&mut self, id: LinkId) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_mut(id) else { return };
        if link.wants_drain() && link.rest.is_none() {
            link.delivery_count = link.delivery_count.wrapping_add(link.credit);
            link.credit = 0;
            self.put_flow(id.session, Some(id));
        }
    }

    /// Sends a message; `None` where the link is not ready or the message larger than the peer takes.
    pub fn send(&mut self, id: LinkId, outgoing: Outgoing) -> Option<DeliveryId> {
        if !self.is_ready(id) {
            return None;
        }
        let Outgoing { tag, format, is_settled, payload } = outgoing;
        let session = self.session(id.session)?;
        let delivery = session.next_delivery;
        let link = session.link_mut(id)?;
        if payload.len() as u64 > link.message_bytes_max {
            return None;
        }
        link.credit -= 1;
        link.delivery_count = link.delivery_count.wrapping_add(1);
        session.next_delivery = delivery.wrapping_add(1);
        if !is_settled {
            session.sent.push_back(Sent { delivery, handle: id.handle, serial: id.serial });
        }
        let tag = tag.unwrap_or_else(|| Bytes::copy_from_slice(&delivery.to_be_bytes()));
        let transfer = Transfer {
            handle: id.handle,
            delivery: Some(delivery),
            tag: Some(tag),
            format: Some(format),
            is_settled: Some(is_settled),
            ..Transfer::default()
        };
        self.put_transfers(id, transfer, payload);
        Some(delivery)
    }

    /// As many frames as the window allows; the rest waits.
    fn put_transfers(&mut self, id: LinkId, mut transfer: Transfer, mut payload: Bytes) {
        let frame_max = self.peer.frame_bytes_max as usize;
        loop {
            let head = HEAD_BYTES + TRANSFER_BYTES_MAX + transfer.tag.as_ref().map_or(0, Bytes::len);
            let room = frame_max.saturating_sub(head).max(1);
            let piece = payload.split_to(room.min(payload.len()));
            transfer.has_more = !payload.is_empty();
            let Some(session) = self.session(id.session) else { return };
            session.peer_window -= 1;
            session.next_outgoing = session.next_outgoing.wrapping_add(1);
            let is_over = session.peer_window == 0;
            put_frame(&mut self.out, Kind::Amqp, id.session, |out| {
                Performative::Transfer(transfer.clone()).encode(out);
                out.extend_from_slice(&piece);
            });
            if payload.is_empty() {
                return;
            }
            transfer = Transfer { handle: id.handle, ..Transfer::default() };
            if is_over {
                let link = self.session(id.session).and_then(|session| session.link_mut(id));
                if let Some(link) = link {
                    link.rest = Some(payload);
                }
                return;
            }
        }
    }

    /// The window opened: what waits for it goes on.
    pub(super) fn push_rests(&mut self, slot: u16) {
        let mut waiting = Vec::new();
        if let Some(session) = self.session_at(slot).filter(|session| session.peer_window > 0) {
            for (handle, link) in session.links.iter().enumerate() {
                if let Some(link) = link.as_ref().filter(|link| link.rest.is_some()) {
                    waiting.push(LinkId { session: slot, handle: handle as u32, serial: link.serial });
                }
            }
        }
        for id in waiting {
            let Some(session) = self.session(slot).filter(|session| session.peer_window > 0) else { return };
            let Some(rest) = session.link_mut(id).and_then(|link| link.rest.take()) else { continue };
            self.put_transfers(id, Transfer { handle: id.handle, ..Transfer::default() }, rest);
        }
    }

    /// Agrees to an outcome that the peer did not settle by itself.
    pub fn settle_sent(&mut self, id: LinkId, delivery: DeliveryId, outcome: Outcome) {
        let Some(session) = self.session(id.session).filter(|session| !session.is_ending) else { return };
        if session.link(id).is_none_or(Link::is_detaching) {
            return;
        }
        self.forget_sent(id.session, |sent| sent.delivery == delivery);
        let disposition = Disposition {
            role: Role::Sender,
            first: delivery,
            last: Some(delivery),
            is_settled: true,
            state: Some(outcome),
            is_batchable: false,
        };
        self.put(id.session, &Performative::Disposition(disposition));
    }

    /// No outcome is waited for any more: others may have waited for the room.
    pub(super) fn forget_sent(&mut self, slot: u16, is_meant: impl Fn(&Sent) -> bool) {
        let unsettled_max = self.options.unsettled_max;
        let Some(session) = self.session(slot) else { return };
        let was_full = session.sent.len() >= unsettled_max;
        session.sent.retain(|sent| !is_meant(sent));
        if was_full && session.sent.len() < unsettled_max {
            self.tell_credit(slot);
        }
    }

    pub(super) fn handle_disposition(&mut self, slot: u16, disposition: &Disposition) {
        // What the peer settles as the sender is settled for us, too.
        if disposition.role == Role::Sender {
            return;
        }
        let unsettled_max = self.options.unsettled_max;
        let Some(session) = self.session(slot).filter(|session| !session.is_ending) else { return };
        let first = disposition.first;
        let count = disposition.last.unwrap_or(first).wrapping_sub(first);
        let was_full = session.sent.len() >= unsettled_max;
        let mut at = session.sent_from(first);
        let mut told = Vec::new();
        while let Some(sent) = session.sent.get(at).copied() {
            if sent.delivery.wrapping_sub(first) > count {
                break;
            }
            told.push(sent);
            if disposition.is_settled {
                session.sent.remove(at);
            } else {
                at += 1;
            }
        }
        let has_room_again = was_full && session.sent.len() < unsettled_max;
        for sent in told {
            let link = LinkId { session: slot, handle: sent.handle, serial: sent.serial };
            self.events.push_back(Event::Outcome {
                link,
                delivery: sent.delivery,
                outcome: disposition.state.clone(),
                is_settled: disposition.is_settled,
            });
        }
        if has_room_again {
            self.tell_credit(slot);
        }
    }
}
