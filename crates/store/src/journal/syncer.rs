//! A thread that syncs while the writer writes on.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::File;
use super::shared::Shared;

/// One sync at a time.
#[derive(Default)]
pub(super) struct Syncer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Asked(Arc<dyn File>),
    UnderWay,
    Done(io::Result<()>),
    Closed,
}

/// The thread: one sync each time it is asked.
pub(super) fn run(shared: &Shared) {
    while let Some(file) = shared.syncer.next() {
        let outcome = file.sync();
        if shared.syncer.finish(outcome) {
            shared.intake.poke();
        }
    }
}

impl Syncer {
    /// Asks for a sync of what is in the file by now. The one before it was collected.
    pub(super) fn begin(&self, file: Arc<dyn File>) {
        self.set(State::Asked(file));
    }

    /// What became of the sync, once.
    pub(super) fn outcome(&self) -> Option<io::Result<()>> {
        let mut state = self.lock();
        match std::mem::take(&mut *state) {
            State::Done(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }

    /// What becomes of the sync that was asked for.
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            match std::mem::take(&mut *state) {
                State::Done(outcome) => return outcome,
                State::Closed => {
                    *state = State::Closed;
                    return Err(io::Error::other("the thread that syncs has ended"));
                }
                other => *state = other,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// There is nothing more to sync.
    pub(super) fn close(&self) {
        self.set(State::Closed);
    }

    fn next(&self) -> Option<Arc<dyn File>> {
        let mut state = self.lock();
        loop {
            match std::mem::take(&mut *state) {
                State::Asked(file) => {
                    *state = State::UnderWay;
                    return Some(file);
                }
                State::Closed => {
                    *state = State::Closed;
                    return None;
                }
                other => *state = other,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, outcome: io::Result<()>) -> bool {
        let mut state = self.lock();
        let is_wanted = matches!(*state, State::UnderWay);
        if is_wanted {
            *state = State::Done(outcome);
            self.changed.notify_all();
        }
        is_wanted
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the thread with the writer, whatever ends that.
pub(super) struct Ending(pub(super) Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.syncer.close();
    }
}
