//! Before each input: whether letters may go to it past the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use skerry_store::log::{CursorId, Draft};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::endpoint::{Endpoint, QueueName};
use crate::figures::Figures;
use crate::live::Live;
use crate::pump::{Deliveries, Took};

/// Letters with one input that did not come from the log.
const WINDOW: usize = 128;

/// So long nothing goes past the log to an input whose module keeps letters: at first, for who was held up once,
/// and at most, for who always does.
const REST_MIN: Duration = Duration::from_millis(4);
const REST_MAX: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Rest {
    next: Duration,
    until: Option<Instant>,
}

/// Which gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateId(usize);

pub(super) struct Gate {
    endpoint: Endpoint,
    /// Of the module, as figures have it.
    pub(super) to: String,
    pub(super) input: Arc<str>,
    /// Who takes letters now: its pump has nothing that would have to go before.
    pub(super) taker: Option<Arc<Live>>,
    /// Letters that the log has, or is about to have, for its queues, and that were not handed on once.
    pub(super) before: u64,
    /// Letters that its module has from here.
    pub(super) out: usize,
    /// Of those, letters that are nowhere else.
    pub(super) fresh: usize,
    rest: Rest,
    /// Nothing is out any more.
    pub(super) emptied: Arc<Notify>,
}

struct Queue {
    gate: usize,
    priority: u32,
    deliveries: Deliveries,
}

/// All gates, and the queues that lead to them.
#[derive(Default)]
pub(super) struct Gates {
    gates: Vec<Gate>,
    queues: HashMap<CursorId, Queue>,
}

impl Gates {
    /// A queue, and how many letters wait in it that were not handed on.
    pub(super) fn know(&mut self, device: &str, name: &QueueName, cursor: CursorId, waiting: u64) {
        let Endpoint::Input { module, input } = &name.endpoint else { return };
        if self.queues.contains_key(&cursor) {
            return;
        }
        let to = format!("{device}/{module}");
        let known = self.gates.iter().position(|gate| gate.endpoint == name.endpoint);
        let gate = known.unwrap_or_else(|| {
            self.gates.push(Gate {
                endpoint: name.endpoint.clone(),
                to: to.clone(),
                input: input.as_str().into(),
                taker: None,
                before: 0,
                out: 0,
                fresh: 0,
                rest: Rest::default(),
                emptied: Arc::default(),
            });
            self.gates.len() - 1
        });
        self.gates[gate].before += waiting;
        let deliveries = Deliveries::new(to, Arc::clone(&self.gates[gate].input));
        self.queues.insert(cursor, Queue { gate, priority: name.priority, deliveries });
    }

    pub(super) fn find(&self, endpoint: &Endpoint) -> Option<GateId> {
        self.gates.iter().position(|gate| gate.endpoint == *endpoint).map(GateId)
    }

    pub(super) fn get(&mut self, id: GateId) -> &mut Gate {
        &mut self.gates[id.0]
    }

    /// The gate that a queue leads to; none for those that lead to the hub.
    pub(super) fn of(&mut self, cursor: CursorId) -> Option<&mut Gate> {
        Some(&mut self.gates[self.queues.get(&cursor)?.gate])
    }

    pub(super) fn leads_to(&self, cursor: CursorId, id: GateId) -> bool {
        self.queues.get(&cursor).is_some_and(|queue| queue.gate == id.0)
    }

    /// Whether all of these may go past the log.
    pub(super) fn let_pass<'d>(&self, mut drafts: impl Iterator<Item = &'d Draft>, count: usize) -> bool {
        let opens = |cursor: &CursorId| {
            self.queues.get(cursor).is_some_and(|queue| self.gates[queue.gate].lets_pass(count))
        };
        drafts.all(|draft| !draft.wanted_by.is_empty() && draft.wanted_by.iter().all(opens))
    }

    /// Whether the log may have to get something before these.
    pub(super) fn are_concerned<'d>(&self, drafts: impl Iterator<Item = &'d Draft>) -> Vec<GateId> {
        let mut concerned = Vec::new();
        for cursor in drafts.flat_map(|draft| draft.wanted_by.iter()) {
            let Some(queue) = self.queues.get(cursor) else { continue };
            if !concerned.contains(&GateId(queue.gate)) {
                concerned.push(GateId(queue.gate));
            }
        }
        concerned
    }

    /// A letter was delivered.
    pub(super) fn count(
        &mut self,
        figures: &Figures,
        cursor: CursorId,
        (from, output): (skerry_model::IdentityId, String),
        took: Took,
    ) {
        if let Some(queue) = self.queues.get_mut(&cursor) {
            queue.deliveries.count(figures, from, output, queue.priority, Some(took));
        }
    }
}

impl Gate {
    fn lets_pass(&self, count: usize) -> bool {
        self.taker.is_some()
            && self.before == 0
            && self.out + count <= WINDOW
            && self.rest.until.is_none_or(|until| until <= Instant::now())
    }

    /// Its module keeps a letter for long: nothing goes past the log for a while, and for longer each time.
    pub(super) fn lingers(&mut self, now: Instant) {
        // Of the letters that linger together only one counts.
        if self.rest.until.is_none_or(|until| until <= now) {
            self.rest.next = (self.rest.next * 2).clamp(REST_MIN, REST_MAX);
            self.rest.until = Some(now + self.rest.next);
        }
    }

    /// Its module is quick.
    pub(super) fn is_quick(&mut self) {
        self.rest = Rest::default();
    }

    /// Letters of this gate's queues are read from the log, or were not taken by it.
    pub(super) fn pass(&mut self, count: u64) {
        self.before = self.before.saturating_sub(count);
    }

    /// One is not out any more.
    pub(super) fn come_back(&mut self) {
        self.out -= 1;
        if self.out == 0 {
            self.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_letters_rests_for_longer_each_time_until_one_is_quick() {
        let endpoint = Endpoint::Input { module: "m".parse().unwrap(), input: "in".to_owned() };
        let mut gates = Gates::default();
        let cursor = CursorId::from_number(1);
        gates.know("d", &QueueName { endpoint, priority: 0 }, cursor, 0);
        let gate = gates.of(cursor).unwrap();
        let mut now = Instant::now();
        let mut rests = |gate: &mut Gate, times: usize| -> Vec<u128> {
            let rests = (0..times).map(|_| {
                gate.lingers(now);
                // As the others of the same look do.
                gate.lingers(now);
                let rest = gate.rest.until.unwrap() - now;
                now += rest;
                rest.as_millis()
            });
            rests.collect()
        };
        assert_eq!(rests(gate, 9), [4, 8, 16, 32, 64, 128, 256, 500, 500]);
        gate.is_quick();
        assert_eq!(rests(gate, 2), [4, 8]);
    }
}
