//! Letters for one connected client: those that wait for it, and those that it has and did not settle.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_front::device::{Command, Input, Lease, Settlement};
use skerry_model::Timestamp;
use skerry_model::message::Message;

use crate::letter::Letter;
use crate::ticket::{Fate, Ticket};

/// A letter on its last way.
pub(crate) struct Item {
    pub(crate) letter: Letter,
    /// Of the module; a command from a back end has none.
    pub(crate) input: Option<Arc<str>>,
    pub(crate) again: bool,
    pub(crate) sequence: u64,
    pub(crate) enqueued: Timestamp,
    pub(crate) deliveries: u32,
    pub(crate) ticket: Ticket,
}

/// Pumps put in no more than their windows, and back ends no more than a hub gives out at a time.
#[derive(Default)]
pub(super) struct Inbox(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    held: HashMap<Lease, Ticket>,
    next: u128,
    is_closed: bool,
}

impl Inbox {
    /// Gives it back when the client has gone.
    pub(super) fn push(&self, item: Item) {
        let mut state = self.state();
        if state.is_closed {
            drop(state);
            return drop(item);
        }
        state.waiting.push_back(item);
    }

    /// The next for a client that listens to inputs, commands, or both.
    pub(super) fn pop(&self, inputs: bool, commands: bool) -> Option<Command> {
        let mut state = self.state();
        let at =
            state.waiting.iter().position(|item| if item.input.is_some() { inputs } else { commands })?;
        let item = state.waiting.remove(at)?;
        state.next += 1;
        let lease = Lease(state.next);
        let Item { letter, input, again, sequence, enqueued, deliveries, ticket } = item;
        state.held.insert(lease, ticket);
        let Letter { from, message, .. } = letter;
        let message: Message = message;
        let input = input.map(|name| Box::new(Input { name: name.to_string(), from }));
        Some(Command { lease, message, again, sequence, enqueued, deliveries, input })
    }

    /// `false` for a lease that is not held.
    pub(super) fn settle(&self, lease: Lease, how: Settlement) -> bool {
        let Some(ticket) = self.state().held.remove(&lease) else { return false };
        ticket.tell(match how {
            Settlement::Complete => Fate::Delivered,
            Settlement::Reject => Fate::Refused { why: "rejected".to_owned() },
            Settlement::Abandon => Fate::Abandoned,
            Settlement::GiveBack => Fate::Returned,
        });
        true
    }

    /// Everything goes back, and so does what comes later.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let (waiting, held) = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.held));
        drop(state);
        drop((held, waiting));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
