//! The way past the log to an input, as its pump opens and closes it.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::direct::{Direct, GateId};
use crate::endpoint::Endpoint;
use crate::live::Live;

pub(super) struct Passage {
    direct: Arc<Direct>,
    gate: Option<GateId>,
    is_open: bool,
}

impl Passage {
    pub(super) fn new(direct: &Arc<Direct>) -> Self {
        Self { direct: Arc::clone(direct), gate: None, is_open: false }
    }

    /// A queue before this input is known by now.
    pub(super) fn find(&mut self, endpoint: &Endpoint) {
        if self.gate.is_none() {
            self.gate = self.direct.gate(endpoint);
        }
    }

    /// Opens it for whoever takes letters, or closes it.
    pub(super) fn let_through(&mut self, taker: Option<&Arc<Live>>) {
        let Some(gate) = self.gate else { return };
        if taker.is_some() != self.is_open {
            self.is_open = taker.is_some();
            self.direct.open(gate, taker.cloned());
        }
    }

    /// Closes it, and has everything come back; woken when it has.
    pub(super) fn recall(&mut self) -> Option<Arc<Notify>> {
        self.is_open = false;
        self.gate.map(|gate| self.direct.recall(gate))
    }

    /// Whether something is still with whoever took it.
    pub(super) fn is_out(&self) -> bool {
        self.gate.is_some_and(|gate| self.direct.is_out(gate))
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.let_through(None);
    }
}
