//! What is sent with QoS 1 and not acknowledged yet.

use std::collections::VecDeque;

use crate::packet::PacketId;

/// Deliveries under way, in the order in which they were sent. Full at `len_max`: the caller waits
/// for an acknowledgement.
#[derive(Debug)]
pub struct Window<T> {
    /// Ids go round, so those that are in use lie between the first and the last.
    under_way: VecDeque<(PacketId, T)>,
    len_max: usize,
    last: u16,
}

impl<T> Window<T> {
    pub fn new(len_max: u16) -> Self {
        Self { under_way: VecDeque::new(), len_max: usize::from(len_max), last: 0 }
    }

    /// The id under which to send; the item comes back when the window is full.
    pub fn insert(&mut self, item: T) -> Result<PacketId, T> {
        if self.is_full() {
            return Err(item);
        }
        let next = self.next();
        self.last = next.get();
        self.under_way.push_back((next, item));
        Ok(next)
    }

    fn next(&self) -> PacketId {
        PacketId::new(self.last.wrapping_add(1)).unwrap_or(PacketId::MIN)
    }

    /// Takes out what was acknowledged; `None` for an id that is not under way.
    pub fn remove(&mut self, id: PacketId) -> Option<T> {
        // Acknowledgements come in order from nearly everybody.
        let at = self.under_way.iter().position(|(under_way, _)| *under_way == id)?;
        self.under_way.remove(at).map(|(_, item)| item)
    }

    pub fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> {
        self.under_way.iter().map(|(id, item)| (*id, item))
    }

    /// Everything that is still under way, in order; the window is empty then.
    pub fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.under_way).into_iter().map(|(_, item)| item)
    }

    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Also when the oldest holds the id that would come next.
    pub fn is_full(&self) -> bool {
        let next = self.next();
        self.under_way.len() >= self.len_max || self.under_way.front().is_some_and(|(id, _)| *id == next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_given_again_only_when_it_came_back() {
        let mut window = Window::new(3);
        let first = window.insert("a").unwrap();
        let second = window.insert("b").unwrap();
        window.insert("c").unwrap();
        assert_eq!(window.insert("d"), Err("d"), "full");
        assert_eq!(window.remove(second), Some("b"));
        assert_eq!(window.remove(second), None, "twice");
        for _ in 0..70_000 {
            let Ok(id) = window.insert("e") else { break };
            assert_ne!(id, first);
            window.remove(id).unwrap();
        }
        assert_eq!(window.insert("f"), Err("f"), "the oldest holds its id, so the round ends there");
        assert_eq!(window.remove(first), Some("a"));
        assert_eq!(window.insert("g"), Ok(first));
        assert_eq!(window.take().collect::<Vec<_>>(), ["c", "g"]);
        assert!(window.is_empty());
    }
}
