//! Before each input: whether letters may go to it past the log.

use std::collections::HashMap;
use std::sync::Arc;

use skerry_store::log::{CursorId, Draft};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::endpoint::{Endpoint, QueueName};
use crate::figures::Figures;
use crate::live::Live;
use crate::pump::{Deliveries, Took};

/// Letters with one input that did not come from the log.
const WINDOW: usize = 128;

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
    /// It took too long lately.
    pub(super) rests_until: Option<Instant>,
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
                rests_until: None,
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
            && self.rests_until.is_none_or(|until| until <= Instant::now())
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
