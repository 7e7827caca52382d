//! What was sent and has no outcome yet.

use std::collections::{BTreeMap, VecDeque};

use skerry_amqp::connection::{DeliveryId, LinkId, SessionId};

/// Each session numbers its deliveries by itself, one after the other.
#[derive(Debug)]
pub(super) struct Pending<T> {
    sessions: BTreeMap<SessionId, VecDeque<Sent<T>>>,
    /// Of connections that are over, in their order.
    left: Vec<T>,
}

#[derive(Debug)]
struct Sent<T> {
    link: LinkId,
    delivery: DeliveryId,
    item: T,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self { sessions: BTreeMap::new(), left: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.values().map(VecDeque::len).sum()
    }

    pub(super) fn push(&mut self, link: LinkId, delivery: DeliveryId, item: T) {
        self.sessions.entry(link.session()).or_default().push_back(Sent { link, delivery, item });
    }

    pub(super) fn take(&mut self, link: LinkId, delivery: DeliveryId) -> Option<T> {
        let sent = self.sessions.get_mut(&link.session())?;
        let base = sent.front()?.delivery;
        // Numbers go around; most outcomes are for the oldest.
        let distance = delivery.wrapping_sub(base);
        let at = sent.partition_point(|sent| sent.delivery.wrapping_sub(base) < distance);
        let found = sent.get(at).filter(|found| found.delivery == delivery && found.link == link);
        found.is_some().then(|| sent.remove(at)).flatten().map(|sent| sent.item)
    }

    pub(super) fn take_link(&mut self, link: LinkId) -> Vec<T> {
        let Some(sent) = self.sessions.get_mut(&link.session()) else { return Vec::new() };
        let (of_link, others) = std::mem::take(sent).into_iter().partition(|sent| sent.link == link);
        *sent = others;
        let of_link: VecDeque<Sent<T>> = of_link;
        of_link.into_iter().map(|sent| sent.item).collect()
    }

    /// The connection is over.
    pub(super) fn leave(&mut self) {
        let sent = std::mem::take(&mut self.sessions).into_values().flatten();
        self.left.extend(sent.map(|sent| sent.item));
    }

    pub(super) fn take_left(&mut self) -> Vec<T> {
        std::mem::take(&mut self.left)
    }
}
