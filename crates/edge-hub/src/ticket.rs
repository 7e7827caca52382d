//! What comes back of a letter that was handed on. Each ticket comes back once, whatever happens: one that is
//! dropped says that the letter was not delivered.

use std::sync::Arc;

use skerry_store::log::Sequence;
use tokio::sync::mpsc;

use crate::direct::Direct;

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    /// It was not delivered, and may be handed on again.
    Returned,
    /// Whoever got it could not deal with it now.
    Abandoned,
    /// Whoever got it will never take it.
    Refused {
        why: String,
    },
    /// Its sender is not let in at the hub: it waits apart from the others.
    Barred {
        why: String,
    },
}

/// Which letter of a pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which of the pump's queues.
    pub(crate) queue: usize,
    pub(crate) sequence: Sequence,
}

/// So many may be on the way as the pump lets out; the channel is no longer than that.
pub(crate) type Fates = mpsc::UnboundedSender<(Place, Fate)>;

pub(crate) struct Ticket(Option<Back>);

enum Back {
    Pump {
        to: Fates,
        place: Place,
    },
    /// Of a letter that did not come from a pump, and which of its endpoints.
    Direct {
        to: Arc<Direct>,
        number: u64,
        at: usize,
    },
    Other(Box<dyn FnOnce(Fate) + Send>),
}

impl Ticket {
    pub(crate) fn of_pump(to: Fates, place: Place) -> Self {
        Self(Some(Back::Pump { to, place }))
    }

    pub(crate) fn direct(to: &Arc<Direct>, number: u64, at: usize) -> Self {
        Self(Some(Back::Direct { to: Arc::clone(to), number, at }))
    }

    pub(crate) fn new(then: impl FnOnce(Fate) + Send + 'static) -> Self {
        Self(Some(Back::Other(Box::new(then))))
    }

    pub(crate) fn tell(mut self, fate: Fate) {
        self.tell_once(fate);
    }

    fn tell_once(&mut self, fate: Fate) {
        match self.0.take() {
            // A pump that is gone opens its queue again, and finds the letter there.
            Some(Back::Pump { to, place }) => drop(to.send((place, fate))),
            Some(Back::Direct { to, number, at }) => to.come_back(number, at, fate),
            Some(Back::Other(then)) => then(fate),
            None => {}
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.tell_once(Fate::Returned);
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_once() {
        let (to, mut back) = mpsc::unbounded_channel();
        let place = Place { queue: 1, sequence: Sequence::from_number(7) };
        Ticket::of_pump(to.clone(), place).tell(Fate::Delivered);
        drop(Ticket::of_pump(to, place));
        assert_eq!(back.try_recv(), Ok((place, Fate::Delivered)));
        assert_eq!(back.try_recv(), Ok((place, Fate::Returned)));
        assert!(back.try_recv().is_err());
    }
}
