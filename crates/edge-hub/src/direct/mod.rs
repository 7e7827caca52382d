//! Letters that go from hand to hand, past the log.
//!
//! ```text
//!  publish ──► do all endpoints take letters, and have what came before? ──► inboxes ──► settled ──► done
//!                      │ no                              │ not soon, or it comes back
//!                      ▼                                 ▼
//!                     log ◄──── behind what it has to follow, marked (slip)
//!                      └──► pump: is it out (claim)? then it is not handed on again
//! ```
//!
//! 1. What was acknowledged is settled by every endpoint, or in the log as safely as was asked.
//! 2. In each queue letters go out in the order in which they came: past the log only where nothing waits
//!    in it, and into the log only behind everything that went past it to the same input.
//! 3. What is nowhere but with its endpoints is there for a few milliseconds, and bounded.
//! 4. A letter that its endpoint has is not handed on a second time from the log.

mod begun;
mod fresh;
mod gate;
mod keep;
mod out;
mod sending;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_model::Timestamp;
use skerry_store::log::{CursorId, Draft, Durability, Log, Order};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::endpoint::{Endpoint, QueueName};
use crate::figures::Figures;
use crate::letter::{Letter, Slip};
use crate::live::{Item, Live};
use crate::pump::Took;
use crate::ticket::{Fate, Fates, Place, Ticket};
use fresh::Fresh;
pub(crate) use gate::GateId;
use gate::Gates;
pub(crate) use out::Claim;
use out::{Goal, Out};
pub(crate) use sending::Awaited;
use sending::Sending;

/// Bytes that are nowhere but with their endpoints; the rest goes through the log.
const BYTES_MAX: usize = 1 << 20;

pub(crate) struct Direct {
    state: Mutex<State>,
    log: Arc<dyn Log>,
    durability: Durability,
    figures: Arc<Figures>,
    /// Of this process: marks of an earlier one mean nothing.
    run: u64,
    /// Letters went out, and nobody looks after them.
    bell: Notify,
}

#[derive(Default)]
struct State {
    gates: Gates,
    /// Nowhere but with their endpoints.
    fresh: Fresh,
    /// In the log as well, until the pump has read them and they came back.
    stored: HashMap<u64, Out>,
    /// Somebody looks after what is fresh.
    is_watched: bool,
}

/// A letter, and what the log would get of it.
pub(crate) struct Bound {
    pub(crate) draft: Draft,
    pub(crate) letter: Letter,
}

impl Direct {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        durability: Durability,
        figures: Arc<Figures>,
        run: u64,
    ) -> Arc<Self> {
        let (state, bell) = (Mutex::default(), Notify::new());
        Arc::new(Self { state, log, durability, figures, run, bell })
    }

    /// A queue of this device, with so many letters in it that no pump has read.
    pub(crate) fn know(&self, device: &str, name: &QueueName, cursor: CursorId, waiting: u64) {
        self.state().gates.know(device, name, cursor, waiting);
    }

    /// The gate before an input, once one of its queues is known.
    pub(crate) fn gate(&self, endpoint: &Endpoint) -> Option<GateId> {
        self.state().gates.find(endpoint)
    }

    /// Who takes letters at an input. Its pump says so, while it has nothing to hand on before.
    pub(crate) fn open(&self, gate: GateId, taker: Option<Arc<Live>>) {
        let before = std::mem::replace(&mut self.state().gates.get(gate).taker, taker);
        drop(before);
    }

    /// Hands letters on at once, or gives them back for the log.
    pub(crate) fn hand(self: &Arc<Self>, order: &Order, bound: Vec<Bound>) -> Result<Awaited, Vec<Bound>> {
        let mut state = self.state();
        let bytes: usize =
            bound.iter().map(|bound| bound.draft.headers.len() + bound.draft.payload.len()).sum();
        if order.is_broken()
            || state.fresh.bytes() + bytes > BYTES_MAX
            || !state.gates.let_pass(bound.iter().map(|bound| &bound.draft), bound.len())
        {
            return Err(bound);
        }
        let (sending, since) = (Arc::new(Sending::new(bound.len())), Instant::now());
        let mut handed = Vec::with_capacity(bound.len());
        for Bound { draft, letter } in bound {
            let number = state.fresh.next();
            let (from, output) =
                (letter.from.clone(), letter.message.system.output.clone().unwrap_or_default());
            let goals: Vec<Goal> = draft.wanted_by.iter().map(|cursor| Goal::new(*cursor)).collect();
            let mut letter = Some(letter);
            for (at, goal) in goals.iter().enumerate() {
                let is_last = at + 1 == goals.len();
                let (Some(gate), Some(letter)) =
                    (state.gates.of(goal.cursor), if is_last { letter.take() } else { letter.clone() })
                else {
                    continue;
                };
                (gate.out, gate.fresh) = (gate.out + 1, gate.fresh + 1);
                let Some(live) = gate.taker.clone() else { continue };
                let item = Item {
                    letter,
                    input: Some(Arc::clone(&gate.input)),
                    again: false,
                    sequence: number,
                    enqueued: Timestamp::NEVER,
                    deliveries: 0,
                    ticket: Ticket::direct(self, number, at),
                };
                handed.push((live, item));
            }
            let (draft, order, sending) = (Some(draft), order.clone(), Arc::clone(&sending));
            state.fresh.push(Out {
                draft,
                order,
                from,
                output,
                since,
                goals,
                sending,
                is_answered: false,
                is_being_stored: false,
            });
        }
        let is_watched = std::mem::replace(&mut state.is_watched, true);
        drop(state);
        if !is_watched {
            self.bell.notify_one();
        }
        // A sender's letters come one after the other: nothing of it is handed on between.
        handed.into_iter().for_each(|(live, item)| live.hand(item));
        Ok(Awaited(sending))
    }

    /// What became of a letter at one of its endpoints.
    pub(crate) fn come_back(self: &Arc<Self>, number: u64, at: usize, fate: Fate) {
        let mut guard = self.state();
        let State { gates, fresh, stored, .. } = &mut *guard;
        let (found, is_fresh) = match fresh.get_mut(number) {
            Some(out) => (Some(out), true),
            None => (stored.get_mut(&number), false),
        };
        let Some(out) = found else { return };
        let Some(goal) = out.goals.get_mut(at) else { return };
        let cursor = goal.cursor;
        let is_delivered = fate == Fate::Delivered;
        let refused = match &fate {
            Fate::Refused { why } if matches!(goal.stands, out::Stands::Out) => Some(why.clone()),
            _ => None,
        };
        let is_wanted = goal.come_back(fate) && is_fresh;
        if let Some(gate) = gates.of(cursor) {
            gate.come_back();
            if is_fresh && !is_wanted {
                gate.fresh -= 1;
                gate.is_quick();
            }
            if let Some(why) = refused {
                tracing::info!(id = gate.to, input = %gate.input, why, "A letter is refused by its module, and dropped.");
                let labels = [("reason", "rejected"), ("from", &gate.to), ("from_route_output", &gate.input)];
                self.figures.messages_dropped.add(&labels, 1);
            }
        }
        let is_safe = out.is_settled() && !std::mem::replace(&mut out.is_answered, true);
        let sending = is_safe.then(|| Arc::clone(&out.sending));
        let took = out.since.elapsed();
        let (mut over, mut counted) = (None, None);
        if out.is_over() {
            over = if is_fresh { fresh.remove(number) } else { stored.remove(&number) };
        } else if is_delivered {
            counted = Some((out.from.clone(), out.output.clone()));
        }
        if let Some(over) = over {
            counted = is_delivered.then_some((over.from, over.output));
        }
        if let Some(counted) = counted {
            let took = Took { since_stored: took, on_the_way: took };
            gates.count(&self.figures, cursor, counted, took);
        }
        // With those before it, or they would come after it.
        let begun = if is_wanted { self.store_through(&mut guard, number) } else { Vec::new() };
        drop(guard);
        if let Some(sending) = sending {
            sending.is_safe();
        }
        self.see_to(begun);
    }

    /// A pump has read a letter with this mark from the log.
    pub(crate) fn claim(&self, slip: Slip, cursor: CursorId, tell: &Fates, place: Place) -> Claim {
        if slip.run != self.run {
            return Claim::Unknown;
        }
        let mut state = self.state();
        let Some(out) = state.stored.get_mut(&slip.number) else { return Claim::Unknown };
        let Some(goal) = out.goals.iter_mut().find(|goal| goal.cursor == cursor) else {
            return Claim::Unknown;
        };
        let claim = goal.claim(tell, place);
        if out.is_over() {
            state.stored.remove(&slip.number);
        }
        claim
    }

    /// A pump has handed on, or dropped, a letter that it read for the first time.
    pub(crate) fn is_passed(&self, cursor: CursorId) {
        if let Some(gate) = self.state().gates.of(cursor) {
            gate.pass(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
