//! A session: numbers and windows, and the links in it.

use std::collections::{BTreeMap, VecDeque};

use super::event::{DeliveryId, LinkId};
use super::link::Link;
use crate::performative::{Begin, Role};

/// Something that was sent and has no outcome yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) delivery: DeliveryId,
    pub(super) handle: u32,
    pub(super) serial: u32,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) is_mapped: bool,
    /// We ended it, and the peer did not answer yet.
    pub(super) is_ending: bool,
    pub(super) next_incoming: u32,
    /// Frames that may still come.
    pub(super) incoming_window: u32,
    pub(super) next_outgoing: u32,
    /// Frames that may still go.
    pub(super) peer_window: u32,
    pub(super) next_delivery: DeliveryId,
    /// By our handle.
    pub(super) links: Vec<Option<Box<Link>>>,
    /// The peer's handles to ours.
    pub(super) handles: BTreeMap<u32, u32>,
    /// In the order of their numbers.
    pub(super) sent: VecDeque<Sent>,
}

impl Session {
    pub(super) fn new(window: u32) -> Self {
        Self {
            is_mapped: false,
            is_ending: false,
            next_incoming: 0,
            incoming_window: window,
            next_outgoing: 1,
            peer_window: 0,
            next_delivery: 1,
            links: Vec::new(),
            handles: BTreeMap::new(),
            sent: VecDeque::new(),
        }
    }

    pub(super) fn peer_began(&mut self, begin: &Begin) {
        self.is_mapped = true;
        self.next_incoming = begin.next_outgoing;
        self.peer_window = begin.incoming_window;
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id.handle as usize)?.as_deref().filter(|link| link.serial == id.serial)
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id.handle as usize)?.as_deref_mut().filter(|link| link.serial == id.serial)
    }

    /// The link that the peer names by its handle.
    pub(super) fn by_peer(&mut self, handle: u32) -> Option<(u32, &mut Link)> {
        let ours = *self.handles.get(&handle)?;
        Some((ours, self.links.get_mut(ours as usize)?.as_deref_mut()?))
    }

    pub(super) fn by_name(&self, name: &str, role: Role) -> Option<u32> {
        let found = self.links.iter().position(|link| {
            link.as_ref().is_some_and(|link| link.role == role && &*link.name == name && !link.is_detaching())
        });
        found.and_then(|handle| u32::try_from(handle).ok())
    }

    /// A link that we began and ended before the peer had answered.
    pub(super) fn given_up(&mut self, name: &str, role: Role) -> Option<(u32, &mut Link)> {
        let mut links = self.links.iter_mut().enumerate();
        links.find_map(|(handle, link)| {
            let link = link.as_deref_mut().filter(|link| link.role == role && &*link.name == name)?;
            (link.is_detaching() && link.peer_handle.is_none()).then_some((handle as u32, link))
        })
    }

    /// Our handle for one more.
    pub(super) fn insert(&mut self, link: Link) -> u32 {
        let free = self.links.iter().position(Option::is_none).unwrap_or(self.links.len());
        if free == self.links.len() {
            self.links.push(None);
        }
        self.links[free] = Some(Box::new(link));
        free as u32
    }

    /// Forgets a link.
    pub(super) fn remove(&mut self, handle: u32) -> Option<Box<Link>> {
        let link = self.links.get_mut(handle as usize)?.take()?;
        if let Some(peer) = link.peer_handle {
            self.handles.remove(&peer);
        }
        while self.links.last().is_some_and(Option::is_none) {
            self.links.pop();
        }
        Some(link)
    }

    /// Where the first of those that were sent at or after a number stands.
    pub(super) fn sent_from(&self, first: DeliveryId) -> usize {
        let Some(oldest) = self.sent.front() else { return 0 };
        let base = oldest.delivery;
        // Numbers go around: those before the oldest are far away.
        let distance = first.wrapping_sub(base);
        if distance > u32::MAX / 2 {
            return 0;
        }
        self.sent.partition_point(|sent| sent.delivery.wrapping_sub(base) < distance)
    }
}
