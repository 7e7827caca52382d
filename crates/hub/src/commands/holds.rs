//! Who holds which command of a queue, and what may be delivered next.

use skerry_model::Timestamp;
use tokio::time::Instant;

use super::lock::{Holder, LockToken, SessionId};
use super::name::is_newer;
use super::queue::{Known, Queue, State};
use super::stored::Slip;

/// What this process did with a command.
pub(super) struct Mark {
    pub(super) lock: Option<Lock>,
}

#[derive(Clone, Copy)]
pub(super) struct Lock {
    token: LockToken,
    until: Until,
}

#[derive(Clone, Copy)]
enum Until {
    Time(Instant),
    Session(SessionId),
    /// It is being settled: nobody else may, and its end does not depend on connections.
    Settled,
}

/// Whether there is something to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    Now,
    /// When a lock ends.
    At(Instant),
    /// When the bell rings.
    Unknown,
}

impl Queue {
    /// The oldest that may be delivered.
    pub(super) fn next(&self, now: Timestamp) -> Option<u64> {
        let state = self.state();
        let Known::Slips(slips) = &state.known else { return None };
        let mut free =
            slips.iter().filter(|(sequence, slip)| slip.expires > now && state.is_free(**sequence));
        free.next().map(|(sequence, _)| *sequence)
    }

    /// Holds a command, unless somebody was faster. Tells whether it was delivered before.
    pub(super) fn hold(&self, sequence: u64, token: LockToken, holder: Holder) -> Option<(Slip, bool)> {
        let mut state = self.state();
        let Known::Slips(slips) = &state.known else { return None };
        if !state.admits(holder) {
            return None;
        }
        let slip = slips.get(&sequence).filter(|_| state.is_free(sequence))?.clone();
        let until = match holder {
            Holder::Timed(time) => Until::Time(Instant::now() + time),
            Holder::Held(session) => Until::Session(session),
        };
        let before = state.marks.insert(sequence, Mark { lock: Some(Lock { token, until }) });
        Some((slip, before.is_some()))
    }

    /// From now on it is being settled by whoever has the token.
    pub(super) fn begin(&self, token: LockToken) -> Option<u64> {
        let mut state = self.state();
        let now = Instant::now();
        state.marks.iter_mut().find_map(|(sequence, mark)| {
            let lock = mark.lock.as_mut().filter(|lock| lock.token == token)?;
            let holds = match lock.until {
                Until::Time(until) => until > now,
                Until::Session(_) => true,
                Until::Settled => false,
            };
            if !holds {
                return None;
            }
            lock.until = Until::Settled;
            Some(*sequence)
        })
    }

    /// It was not settled: it is free again, unless somebody else has it by now.
    pub(super) fn give_up(&self, sequence: u64, token: LockToken) {
        let mut state = self.state();
        let Some(mark) = state.marks.get_mut(&sequence) else { return };
        if mark.lock.is_some_and(|lock| lock.token == token) {
            mark.lock = None;
            drop(state);
            self.bell.notify_waiters();
        }
    }

    /// A connection ended.
    pub(super) fn release(&self, session: SessionId) {
        self.release_those(&mut self.state(), |held_by| held_by == session);
    }

    /// A connection has the identity, whether or not the ones before it have ended.
    pub(super) fn take_over(&self, session: SessionId) {
        let mut state = self.state();
        state.newest = state.newest.max(Some(session));
        self.release_those(&mut state, |held_by| held_by < session);
    }

    /// Whether this connection may hold anything.
    pub(super) fn admits(&self, holder: Holder) -> bool {
        self.state().admits(holder)
    }

    fn release_those(&self, state: &mut State, is_over: impl Fn(SessionId) -> bool) {
        let held = state.marks.values_mut().filter(
            |mark| matches!(mark.lock, Some(Lock { until: Until::Session(held_by), .. }) if is_over(held_by)),
        );
        if held.map(|mark| mark.lock = None).count() > 0 {
            self.bell.notify_waiters();
        }
    }

    pub(super) fn prospect(&self, generation: &str, now: Timestamp) -> Prospect {
        let state = self.state();
        if is_newer(&state.generation, generation) {
            return Prospect::Unknown;
        }
        let slips = match &state.known {
            _ if state.generation != generation => return Prospect::Now,
            Known::Nothing => return Prospect::Now,
            Known::Summary(summary) if summary.count > 0 => return Prospect::Now,
            Known::Summary(_) => return Prospect::Unknown,
            Known::Slips(slips) => slips,
        };
        let mut first: Option<Instant> = None;
        for sequence in slips.iter().filter(|(_, slip)| slip.expires > now).map(|(sequence, _)| sequence) {
            if state.is_free(*sequence) {
                return Prospect::Now;
            }
            if let Some(Lock { until: Until::Time(until), .. }) = state.lock(*sequence) {
                first = Some(first.map_or(until, |first| first.min(until)));
            }
        }
        first.map_or(Prospect::Unknown, Prospect::At)
    }
}

impl State {
    fn admits(&self, holder: Holder) -> bool {
        !matches!(holder, Holder::Held(session) if Some(session) < self.newest)
    }

    fn lock(&self, sequence: u64) -> Option<Lock> {
        self.marks.get(&sequence)?.lock
    }

    pub(super) fn is_free(&self, sequence: u64) -> bool {
        match self.lock(sequence) {
            Some(Lock { until: Until::Time(until), .. }) => until <= Instant::now(),
            Some(_) => false,
            None => true,
        }
    }
}
