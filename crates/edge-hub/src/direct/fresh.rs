//! Letters that are nowhere but with their endpoints, in the order in which they went out.

use std::collections::VecDeque;

use skerry_store::log::CursorId;

use super::out::Out;

#[derive(Default)]
pub(super) struct Fresh {
    outs: VecDeque<Option<Out>>,
    /// The number of the first.
    first: u64,
    bytes: usize,
}

impl Fresh {
    /// What the next one gets.
    pub(super) fn next(&self) -> u64 {
        self.first + self.outs.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outs.is_empty()
    }

    pub(super) fn push(&mut self, out: Out) {
        self.bytes += out.bytes();
        self.outs.push_back(Some(out));
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Out> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.outs.get_mut(at)?.as_mut()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Out> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let out = self.outs.get_mut(at)?.take()?;
        self.bytes -= out.bytes();
        self.pass_gaps();
        Some(out)
    }

    /// The oldest, if its number is no larger.
    pub(super) fn pop_through(&mut self, number: u64) -> Option<(u64, Out)> {
        // Gaps are passed as they come: the first is one that is there.
        let first = self.first;
        if first > number {
            return None;
        }
        Some((first, self.remove(first)?))
    }

    /// The last one of which that is so.
    pub(super) fn last_where(&self, is_so: impl Fn(&Out) -> bool) -> Option<u64> {
        let at = self.outs.iter().rposition(|out| out.as_ref().is_some_and(&is_so))?;
        Some(self.first + at as u64)
    }

    /// The queues before endpoints that are not done with letters up to this one.
    pub(super) fn unsettled_through(&self, number: u64) -> impl Iterator<Item = CursorId> {
        let count = usize::try_from(number + 1 - self.first.min(number + 1)).unwrap_or(usize::MAX);
        let outs = self.outs.iter().take(count).flatten();
        let goals = outs.flat_map(|out| &out.goals).filter(|goal| !goal.is_settled);
        goals.map(|goal| goal.cursor)
    }

    fn pass_gaps(&mut self) {
        while let Some(None) = self.outs.front() {
            self.outs.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skerry_model::IdentityId;
    use skerry_store::log::{Draft, Order};
    use tokio::time::Instant;

    use super::super::sending::Sending;
    use super::*;

    fn out(output: &str) -> Out {
        Out {
            draft: Some(Draft { payload: output.to_owned().into(), ..Draft::default() }),
            order: Order::default(),
            from: IdentityId { device: "d".parse().unwrap(), module: None },
            output: output.to_owned(),
            since: Instant::now(),
            goals: Vec::new(),
            sending: Arc::new(Sending::new(1)),
            is_answered: false,
            is_being_stored: false,
        }
    }

    #[test]
    fn they_leave_in_any_order_and_what_is_left_keeps_its_own() {
        let mut fresh = Fresh::default();
        for output in ["a", "bb", "c", "d", "e"] {
            fresh.push(out(output));
        }
        assert_eq!((fresh.next(), fresh.bytes()), (5, 6));
        assert!(fresh.remove(1).is_some() && fresh.remove(1).is_none() && fresh.get_mut(1).is_none());
        assert_eq!(fresh.last_where(|out| *out.output < *"e"), Some(3));
        assert_eq!(fresh.pop_through(2).map(|(number, out)| (number, out.output)), Some((0, "a".to_owned())));
        assert_eq!(fresh.pop_through(2).map(|(number, out)| (number, out.output)), Some((2, "c".to_owned())));
        assert!(fresh.pop_through(2).is_none());
        assert!(fresh.remove(4).is_some() && fresh.remove(3).is_some());
        assert_eq!((fresh.is_empty(), fresh.bytes(), fresh.next()), (true, 0, 5));
        fresh.push(out("f"));
        assert_eq!(fresh.get_mut(5).map(|out| out.output.clone()), Some("f".to_owned()));
    }
}
