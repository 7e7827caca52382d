//! The beginnings and ends of sessions and links.

use super::event::{Event, LinkId, SessionId};
use super::link::{Link, Offer, State};
use super::session::Session;
use super::{Connection, Side, Violation};
use crate::performative::{Attach, Begin, Detach, End, Fault, Performative, Role, Source, Target, condition};

/// Handles that are announced; the bound on links is that of the connection.
const HANDLE_MAX: u32 = 262_143;
/// A link's name; longer ones are refused.
const NAME_BYTES_MAX: usize = 1024;

/// How a link that the peer asked for is accepted.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Ours stands in it, as do the termini.
    pub attach: Attach,
    /// A receiver's: so many may be on the way or without an outcome.
    pub window: u32,
}

impl Reply {
    /// With what the peer asked for. No terminus is left out: there are clients that take that for a
    /// refusal.
    pub fn to(asked: &Attach, window: u32, message_bytes_max: u64) -> Self {
        let role = asked.role.other();
        let attach = Attach {
            name: asked.name.clone(),
            handle: 0,
            role,
            sender_settles: asked.sender_settles,
            receiver_settles: asked.receiver_settles,
            source: Some(asked.source.clone().unwrap_or_default()),
            target: Some(asked.target.clone().unwrap_or_default()),
            delivery_count: (role == Role::Sender).then_some(0),
            message_bytes_max: Some(message_bytes_max),
            ..Attach::default()
        };
        Self { attach, window }
    }
}

impl Connection {
    pub(super) fn handle_begin(&mut self, channel: u16, begin: &Begin) -> Result<(), Violation> {
        let sessions_max = self.options.sessions_max;
        let is_taken = self.channels.contains_key(&channel);
        if let Some(ours) = begin.remote_channel {
            let is_client = self.side == Side::Client;
            return match self.session(ours) {
                Some(session) if is_client && !session.is_mapped && !is_taken => {
                    session.peer_began(begin);
                    self.channels.insert(channel, ours);
                    Ok(())
                }
                _ => Err(Violation::Sessions { sessions_max }),
            };
        }
        if is_taken {
            return Err(Violation::Sessions { sessions_max });
        }
        let slot = self.new_session().ok_or(Violation::Sessions { sessions_max })?;
        if let Some(session) = self.session(slot) {
            session.peer_began(begin);
        }
        self.channels.insert(channel, slot);
        self.put_begin(slot, Some(channel));
        Ok(())
    }

    fn new_session(&mut self) -> Option<u16> {
        let free = self.sessions.iter().position(Option::is_none).unwrap_or(self.sessions.len());
        let slot = u16::try_from(free).ok()?;
        if slot >= self.options.sessions_max || slot > self.peer.channel_max {
            return None;
        }
        if free == self.sessions.len() {
            self.sessions.push(None);
        }
        self.sessions[free] = Some(Box::new(Session::new(self.options.window)));
        Some(slot)
    }

    fn put_begin(&mut self, slot: u16, remote_channel: Option<u16>) {
        let begin = Begin {
            remote_channel,
            next_outgoing: 1,
            incoming_window: self.options.window,
            outgoing_window: u32::MAX,
            handle_max: Some(HANDLE_MAX),
            ..Begin::default()
        };
        self.put(slot, &Performative::Begin(begin));
    }

    /// Begins a session, as a client. `None` if there are too many, or the connection is not open.
    pub fn begin(&mut self) -> Option<SessionId> {
        if !self.is_open() {
            return None;
        }
        let slot = self.new_session()?;
        self.put_begin(slot, None);
        Some(SessionId(slot))
    }

    /// Whether a session goes on.
    pub fn has_session(&self, session: SessionId) -> bool {
        self.session_at(session.0).is_some_and(|session| !session.is_ending)
    }

    /// Begins a link, as a client.
    pub fn attach(&mut self, session: SessionId, offer: Offer) -> Option<LinkId> {
        let serial = self.serial();
        if self.links >= self.options.links_max {
            return None;
        }
        let found = self.session(session.0).filter(|session| !session.is_ending)?;
        let Offer { name, role, window, message_bytes_max, .. } = offer;
        let mut link = Link::new(serial, &name, role, State::Asking);
        link.window = window;
        if role == Role::Receiver {
            link.message_bytes_max = message_bytes_max;
        }
        let handle = found.insert(link);
        self.links += 1;
        let attach = Attach {
            name,
            handle,
            role,
            sender_settles: offer.sender_settles,
            receiver_settles: offer.receiver_settles,
            source: Some(offer.source),
            target: Some(offer.target),
            delivery_count: (role == Role::Sender).then_some(0),
            message_bytes_max: (role == Role::Receiver).then_some(message_bytes_max),
            properties: offer.properties,
            ..Attach::default()
        };
        self.put(session.0, &Performative::Attach(Box::new(attach)));
        Some(LinkId { session: session.0, handle, serial })
    }

    pub(super) fn handle_attach(&mut self, slot: u16, attach: Attach) {
        let ours = attach.role.other();
        let Some(session) = self.session(slot).filter(|session| !session.is_ending) else { return };
        let is_in_use = session.handles.contains_key(&attach.handle);
        if !is_in_use && let Some((handle, link)) = session.given_up(&attach.name, ours) {
            // The answer to a link that we do not want any more; its end comes next.
            link.peer_handle = Some(attach.handle);
            session.handles.insert(attach.handle, handle);
            return;
        }
        let known = session.by_name(&attach.name, ours);
        if let Some(handle) = known
            && let Some(link) = session.links[handle as usize].as_mut()
        {
            if link.state == State::Asking && !is_in_use {
                link.state = State::Attached;
                link.peer_attached(&attach);
                let id = LinkId { session: slot, handle, serial: link.serial };
                session.handles.insert(attach.handle, handle);
                self.events.push_back(Event::Attached { link: id, attach: Box::new(attach) });
                self.refresh_credit(id);
                return;
            }
            let id = LinkId { session: slot, handle, serial: link.serial };
            let stolen = Fault::new(condition::STOLEN, "another link has the same name");
            self.events.push_back(Event::Detached { link: id, fault: Some(stolen.clone()) });
            self.detach(id, Some(stolen));
        }
        if is_in_use || attach.name.len() > NAME_BYTES_MAX {
            let fault = Fault::new(condition::HANDLE_IN_USE, "the handle is in use, or the name too long");
            return self.end(SessionId(slot), Some(fault));
        }
        let links_max = self.options.links_max;
        let too_many = || Fault::new(condition::RESOURCE_LIMIT_EXCEEDED, "the connection has too many links");
        // Links that we refused are known until the peer has heard of it; who never does has no end.
        if self.links >= links_max.saturating_mul(2) {
            return self.end(SessionId(slot), Some(too_many()));
        }
        let serial = self.serial();
        let is_full = self.links >= links_max;
        let Some(session) = self.session(slot) else { return };
        let mut link = Link::new(serial, &attach.name, ours, State::Asked);
        link.peer_attached(&attach);
        let handle = session.insert(link);
        session.handles.insert(attach.handle, handle);
        self.links += 1;
        let id = LinkId { session: slot, handle, serial };
        if is_full {
            return self.refuse(id, &attach, too_many());
        }
        self.events.push_back(Event::Attach { link: id, attach: Box::new(attach) });
    }

    /// Takes part in a link that the peer asked for.
    pub fn accept(&mut self, id: LinkId, reply: Reply) {
        let Reply { mut attach, window } = reply;
        let Some(link) = self.asked(id) else { return };
        link.state = State::Attached;
        link.window = window;
        if link.role == Role::Receiver {
            link.message_bytes_max = attach.message_bytes_max.filter(|max| *max > 0).unwrap_or(u64::MAX);
        }
        attach.handle = id.handle;
        self.put(id.session, &Performative::Attach(Box::new(attach)));
        self.refresh_credit(id);
        if self.is_ready(id) || self.wants_drain(id) {
            self.events.push_back(Event::Credit { link: id });
        }
    }

    /// Does not: the peer's words are given back, then the reason. Left-out termini would be the
    /// protocol's own way, which some clients take for a broken frame.
    pub fn refuse(&mut self, id: LinkId, asked: &Attach, fault: Fault) {
        let Some(link) = self.asked(id) else { return };
        link.state = State::Attached;
        let mut attach = Reply::to(asked, 0, 0).attach;
        attach.handle = id.handle;
        attach.source.get_or_insert_with(Source::default);
        attach.target.get_or_insert_with(Target::default);
        self.put(id.session, &Performative::Attach(Box::new(attach)));
        self.detach(id, Some(fault));
    }

    fn asked(&mut self, id: LinkId) -> Option<&mut Link> {
        let session = self.session(id.session).filter(|session| !session.is_ending)?;
        session.link_mut(id).filter(|link| link.state == State::Asked)
    }

    /// Ends a link; nothing more is told of it.
    pub fn detach(&mut self, id: LinkId, fault: Option<Fault>) {
        let Some(session) = self.session(id.session).filter(|session| !session.is_ending) else { return };
        let Some(link) = session.link_mut(id).filter(|link| !link.is_detaching()) else { return };
        // Only what began can end.
        let first = (link.state == State::Asked).then(|| link.bare_attach(id.handle));
        link.state = State::Detaching;
        link.rest = None;
        let partial = link.incoming.take().map_or(0, |incoming| incoming.payload.len());
        self.partial_bytes -= partial;
        self.forget_sent(id.session, |sent| sent.serial == id.serial);
        if let Some(attach) = first {
            self.put(id.session, &Performative::Attach(Box::new(attach)));
        }
        let detach = Detach { handle: id.handle, is_closed: true, fault };
        self.put(id.session, &Performative::Detach(detach));
    }

    pub(super) fn handle_detach(&mut self, slot: u16, detach: Detach) -> Result<(), Fault> {
        let Some(session) = self.session(slot) else { return Ok(()) };
        let Some((handle, link)) = session.by_peer(detach.handle) else {
            return match session.is_ending {
                true => Ok(()),
                false => Err(Fault::new(condition::UNATTACHED_HANDLE, "there is no link with this handle")),
            };
        };
        let is_answer = link.is_detaching();
        let id = LinkId { session: slot, handle, serial: link.serial };
        let first = (link.state == State::Asked).then(|| link.bare_attach(handle));
        self.remove_link(slot, handle);
        if !is_answer {
            if let Some(attach) = first {
                self.put(slot, &Performative::Attach(Box::new(attach)));
            }
            // Whoever only lays it aside would have to begin it again to hear that it is over; here the
            // next link of that name is a new one in any case.
            let answer = Detach { handle, is_closed: detach.is_closed, fault: None };
            self.put(slot, &Performative::Detach(answer));
            self.events.push_back(Event::Detached { link: id, fault: detach.fault });
        }
        Ok(())
    }

    fn remove_link(&mut self, slot: u16, handle: u32) {
        let Some(session) = self.session(slot) else { return };
        if let Some(link) = session.remove(handle) {
            let partial = link.incoming.as_ref().map_or(0, |incoming| incoming.payload.len());
            self.links -= 1;
            self.partial_bytes -= partial;
            self.forget_sent(slot, |sent| sent.serial == link.serial);
        }
    }

    pub(super) fn handle_end(&mut self, channel: u16, slot: u16, fault: Option<&Fault>) {
        self.channels.remove(&channel);
        let is_answer = self.session_at(slot).is_none_or(|session| session.is_ending);
        if !is_answer {
            self.tell_ended(slot, fault);
            self.put(slot, &Performative::End(End::default()));
        }
        self.drop_session(slot);
    }

    fn drop_session(&mut self, slot: u16) {
        self.empty_session(slot);
        if let Some(place) = self.sessions.get_mut(usize::from(slot)) {
            *place = None;
        }
        while self.sessions.last().is_some_and(Option::is_none) {
            self.sessions.pop();
        }
    }

    fn empty_session(&mut self, slot: u16) {
        let Some(session) = self.session(slot) else { return };
        session.is_ending = true;
        for handle in 0..session.links.len() {
            self.remove_link(slot, handle as u32);
        }
    }

    /// Ends a session with all of its links.
    pub fn end(&mut self, session: SessionId, fault: Option<Fault>) {
        let slot = session.0;
        let is_there = self.session_at(slot).is_some_and(|session| !session.is_ending);
        if !is_there {
            return;
        }
        self.tell_ended(slot, fault.as_ref());
        self.empty_session(slot);
        self.put(slot, &Performative::End(End { fault }));
    }

    fn tell_ended(&mut self, slot: u16, fault: Option<&Fault>) {
        let Some(session) = self.session_at(slot) else { return };
        let open = session.links.iter().enumerate().filter_map(|(handle, link)| {
            let link = link.as_ref().filter(|link| !link.is_detaching())?;
            Some(LinkId { session: slot, handle: handle as u32, serial: link.serial })
        });
        let open: Vec<LinkId> = open.collect();
        self.events.extend(open.into_iter().map(|link| Event::Detached { link, fault: fault.cloned() }));
    }
}
