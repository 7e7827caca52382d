//! How letters that went past the log come into it after all, and others behind them.

use std::sync::Arc;
use std::time::Duration;

use skerry_store::log::{AppendError, Batch, CursorId, Outcome};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::begun::{Begun, Counted};
use super::{Direct, GateId, State};
use crate::ending::Ending;
use crate::letter::Slip;

/// An endpoint that takes letters has mostly done with one by then, and the log is not needed for it.
const LINGER: Duration = Duration::from_millis(2);

impl Direct {
    /// Appends letters, behind everything that went past the log to one of their inputs.
    pub(crate) async fn append(self: &Arc<Self>, batch: Batch) -> Vec<Outcome> {
        match self.begin(batch) {
            Ok(counted) => counted.await,
            Err(unconcerned) => self.log.append(unconcerned).await,
        }
    }

    /// Gives the batch back where no input wants any of it.
    fn begin(self: &Arc<Self>, batch: Batch) -> Result<Counted, Batch> {
        let mut state = self.state();
        let concerned = state.gates.are_concerned(batch.drafts.iter());
        if concerned.is_empty() {
            return Err(batch);
        }
        let last = concerned.iter().filter_map(|gate| state.last_fresh(*gate)).max();
        let before = last.map_or_else(Vec::new, |last| self.store_through(&mut state, last));
        let queues: Vec<Arc<[CursorId]>> =
            batch.drafts.iter().map(|draft| Arc::clone(&draft.wanted_by)).collect();
        for cursor in queues.iter().flat_map(|queues| queues.iter()) {
            if let Some(gate) = state.gates.of(*cursor) {
                gate.before += 1;
            }
        }
        let begun = Begun::begin(&self.log, batch);
        drop(state);
        self.see_to(before);
        Ok(Counted::new(Arc::clone(self), queues, begun))
    }

    /// Letters that will not be read from these queues.
    pub(super) fn are_refused(&self, cursors: impl Iterator<Item = CursorId>) {
        let mut state = self.state();
        for cursor in cursors {
            if let Some(gate) = state.gates.of(cursor) {
                gate.pass(1);
            }
        }
    }

    /// Whoever took letters at an input has gone: what it has of them comes back before others take any.
    /// Woken when all have.
    pub(crate) fn recall(self: &Arc<Self>, gate: GateId) -> Arc<Notify> {
        let mut state = self.state();
        let taker = state.gates.get(gate).taker.take();
        let begun = match state.last_fresh(gate) {
            Some(last) => self.store_through(&mut state, last),
            None => Vec::new(),
        };
        let emptied = Arc::clone(&state.gates.get(gate).emptied);
        drop(state);
        drop(taker);
        self.see_to(begun);
        emptied
    }

    /// Whether a module has letters from here.
    pub(crate) fn is_out(&self, gate: GateId) -> bool {
        self.state().gates.get(gate).out > 0
    }

    /// Stores what takes too long, until the end.
    pub(crate) async fn keep(self: &Arc<Self>, mut ending: Ending) {
        loop {
            tokio::select! {
                () = ending.wait() => return,
                () = self.bell.notified() => {}
            }
            let mut seen = None;
            while self.store_what_lingers(&mut seen) {
                sleep(LINGER).await;
            }
        }
    }

    /// `false` when nothing went out since the last look, and nothing is.
    fn store_what_lingers(self: &Arc<Self>, seen: &mut Option<u64>) -> bool {
        let mut guard = self.state();
        let next = guard.fresh.next();
        if guard.fresh.is_empty() && seen.replace(next) == Some(next) {
            guard.is_watched = false;
            return false;
        }
        *seen = Some(next);
        let now = Instant::now();
        let State { gates, fresh, .. } = &mut *guard;
        let Some(last) = fresh.last_where(|out| now - out.since >= LINGER) else { return true };
        for cursor in fresh.unsettled_through(last) {
            if let Some(gate) = gates.of(cursor) {
                gate.lingers(now);
            }
        }
        let begun = self.store_through(&mut guard, last);
        drop(guard);
        self.see_to(begun);
        true
    }

    /// Stores everything; done when the log has it.
    pub(crate) async fn end(self: &Arc<Self>) {
        let begun = {
            let mut state = self.state();
            let next = state.fresh.next();
            self.store_through(&mut state, next)
        };
        for (number, begun) in begun {
            let outcome = begun.await.pop();
            self.is_stored(number, outcome);
        }
    }

    /// Gives letters to the log, in their order, up to this one.
    pub(super) fn store_through(self: &Arc<Self>, state: &mut State, last: u64) -> Vec<(u64, Begun)> {
        let mut all = Vec::new();
        while let Some((number, mut out)) = state.fresh.pop_through(last) {
            let Some(mut draft) = out.draft.take() else { continue };
            draft.headers = Slip { run: self.run, number }.stick_to(&draft.headers);
            let wanted = out.goals.iter_mut().filter(|goal| !goal.is_settled);
            let wanted_by = wanted.map(|goal| {
                goal.is_in_log = true;
                goal.cursor
            });
            draft.wanted_by = wanted_by.collect();
            for cursor in draft.wanted_by.iter() {
                if let Some(gate) = state.gates.of(*cursor) {
                    (gate.before, gate.fresh) = (gate.before + 1, gate.fresh - 1);
                }
            }
            let batch = Batch::new(vec![draft], self.durability).in_order(&out.order).patient();
            out.is_being_stored = true;
            state.stored.insert(number, out);
            all.push((number, Begun::begin(&self.log, batch)));
        }
        all
    }

    /// Hears what becomes of letters that were given to the log.
    pub(super) fn see_to(self: &Arc<Self>, all: Vec<(u64, Begun)>) {
        if all.is_empty() {
            return;
        }
        // At the end of everything their senders are gone.
        let Ok(runtime) = Handle::try_current() else { return };
        let direct = Arc::clone(self);
        runtime.spawn(async move {
            for (number, begun) in all {
                let outcome = begun.await.pop();
                direct.is_stored(number, outcome);
            }
        });
    }

    fn is_stored(&self, number: u64, outcome: Option<Outcome>) {
        let mut guard = self.state();
        let State { gates, stored, .. } = &mut *guard;
        let Some(out) = stored.get_mut(&number) else { return };
        out.is_being_stored = false;
        let is_first = !std::mem::replace(&mut out.is_answered, true);
        let sending = is_first.then(|| Arc::clone(&out.sending));
        let error = match outcome {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error),
            None => Some(AppendError::Unknown),
        };
        if error.is_some() {
            for goal in out.goals.iter_mut().filter(|goal| goal.is_in_log) {
                if let Some(gate) = gates.of(goal.cursor) {
                    gate.pass(1);
                }
                goal.is_refused();
            }
        }
        if out.is_over() {
            stored.remove(&number);
        }
        drop(guard);
        match (sending, error) {
            (Some(sending), None) => sending.is_safe(),
            (Some(sending), Some(error)) => sending.fail(error),
            (None, _) => {}
        }
    }
}

impl State {
    /// The last letter that is out at this gate and nowhere else.
    fn last_fresh(&mut self, gate: GateId) -> Option<u64> {
        if self.gates.get(gate).fresh == 0 {
            return None;
        }
        let gates = &self.gates;
        self.fresh.last_where(|out| out.goals.iter().any(|goal| gates.leads_to(goal.cursor, gate)))
    }
}
