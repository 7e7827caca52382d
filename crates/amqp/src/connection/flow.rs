//! Windows and credit.

use super::Connection;
use super::event::{Event, LinkId};
use super::link::State;
use crate::performative::{Fault, Flow, Performative, Role, condition};

impl Connection {
    pub(super) fn handle_flow(&mut self, slot: u16, flow: &Flow) -> Result<(), Fault> {
        let Some(session) = self.session(slot).filter(|session| !session.is_ending) else { return Ok(()) };
        // Where the peer has heard nothing of us yet, its window counts from our beginning.
        let seen = flow.next_incoming.unwrap_or(1);
        let was_shut = session.peer_window == 0;
        session.peer_window = seen.wrapping_add(flow.incoming_window).wrapping_sub(session.next_outgoing);
        if session.peer_window > u32::MAX / 2 && flow.incoming_window < u32::MAX / 2 {
            // It took back what we have used already.
            session.peer_window = 0;
        }
        let Some(peer_handle) = flow.handle else {
            self.push_rests(slot);
            self.tell_credit(slot);
            if flow.wants_echo {
                self.put_flow(slot, None);
            }
            return Ok(());
        };
        let Some((handle, link)) = session.by_peer(peer_handle) else {
            return Err(Fault::new(condition::UNATTACHED_HANDLE, "there is no link with this handle"));
        };
        let id = LinkId { session: slot, handle, serial: link.serial };
        match link.role {
            Role::Sender => {
                let seen = flow.delivery_count.unwrap_or_default();
                let credit = seen.wrapping_add(flow.credit.unwrap_or_default());
                let credit = credit.wrapping_sub(link.delivery_count);
                // Less than what was sent in the meantime is none.
                link.credit = if credit > u32::MAX / 2 { 0 } else { credit };
                link.is_drain = flow.is_drain;
                let may_send = link.state == State::Attached;
                self.push_rests(slot);
                if was_shut {
                    self.tell_credit(slot);
                } else if may_send {
                    self.events.push_back(Event::Credit { link: id });
                }
            }
            Role::Receiver => {
                if let Some(count) = flow.delivery_count {
                    let used = count.wrapping_sub(link.delivery_count);
                    if used <= link.credit {
                        link.delivery_count = count;
                        link.credit -= used;
                    }
                }
                self.end_recall(id);
                self.refresh_credit(id);
            }
        }
        // Before our attach, and after our detach, the peer knows no link with this handle.
        if flow.wants_echo && self.is_attached(id) {
            self.put_flow(slot, Some(id));
        }
        Ok(())
    }

    fn is_attached(&self, id: LinkId) -> bool {
        let link = self.session_at(id.session).and_then(|session| session.link(id));
        link.is_some_and(|link| link.state == State::Attached)
    }

    /// Links that waited for the session's window.
    pub(super) fn tell_credit(&mut self, slot: u16) {
        let Some(session) = self.session_at(slot).filter(|session| !session.is_ending) else { return };
        let ready = session.links.iter().enumerate().filter_map(|(handle, link)| {
            let link = link.as_ref()?;
            let is_ready = link.role == Role::Sender && link.state == State::Attached && link.credit > 0;
            is_ready.then_some(LinkId { session: slot, handle: handle as u32, serial: link.serial })
        });
        let ready: Vec<LinkId> = ready.collect();
        self.events.extend(ready.into_iter().map(|link| Event::Credit { link }));
    }

    /// Gives a sender of the peer's more credit, if that is worth a frame.
    pub(super) fn refresh_credit(&mut self, id: LinkId) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_mut(id) else { return };
        if let Some(credit) = link.fresh_credit() {
            link.credit = credit;
            self.put_flow(id.session, Some(id));
        }
    }

    /// So many may be on the way or without an outcome from now on.
    pub fn widen(&mut self, id: LinkId, window: u32) {
        let link = self.session(id.session).and_then(|session| session.link_mut(id));
        if let Some(link) = link {
            link.window = window;
            self.refresh_credit(id);
        }
    }

    /// Takes back the credit that a peer has not used: what it has it sends, and then nothing more
    /// until the link is widened.
    pub fn recall(&mut self, id: LinkId) {
        let link = self.session(id.session).and_then(|session| session.link_mut(id));
        let Some(link) = link.filter(|link| link.role == Role::Receiver && link.state == State::Attached)
        else {
            return;
        };
        link.window = 0;
        link.is_drain = true;
        if link.credit > 0 {
            self.put_flow(id.session, Some(id));
        }
        self.end_recall(id);
    }

    /// Nothing more is on its way.
    pub(super) fn end_recall(&mut self, id: LinkId) {
        let link = self.session(id.session).and_then(|session| session.link_mut(id));
        let Some(link) = link.filter(|link| link.role == Role::Receiver && link.credit == 0) else { return };
        if std::mem::take(&mut link.is_drain) {
            self.events.push_back(Event::Recalled { link: id });
        }
    }

    pub(super) fn put_flow(&mut self, slot: u16, link: Option<LinkId>) {
        let Some(session) = self.session_at(slot) else { return };
        let mut flow = Flow {
            next_incoming: session.is_mapped.then_some(session.next_incoming),
            incoming_window: session.incoming_window,
            next_outgoing: session.next_outgoing,
            outgoing_window: u32::MAX,
            ..Flow::default()
        };
        if let Some(id) = link {
            let Some(link) = session.link(id) else { return };
            flow.handle = Some(id.handle);
            flow.delivery_count = Some(link.delivery_count);
            flow.credit = Some(link.credit);
            flow.is_drain = link.is_drain;
            flow.available = (link.role == Role::Sender).then_some(0);
        }
        self.put(slot, &Performative::Flow(flow));
    }
}
