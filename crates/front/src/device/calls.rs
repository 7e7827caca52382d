//! Calls of methods that one connection has to answer.
//!
//! ```text
//!  call ──► held (until the client listens to methods) ──► open (until it answers) ──► answered
//!             └── too late: not online                       └── too late: timed out
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Call;

/// Calls that one client may have open or waiting; one more is told so.
const CALLS_MAX: usize = 64;

/// A call on its way to whoever holds the connection.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedCall {
    pub method: String,
    pub payload: Bytes,
    /// How long the client may take to listen.
    pub start_within: Duration,
    /// How long it may take to answer, from then on.
    pub answer_within: Duration,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum CallReply {
    Answered { status: i64, payload: Bytes },
    NotOnline,
    TimedOut,
    Busy,
}

/// Who waits for the answer.
pub trait Caller: Send {
    fn reply(self, reply: CallReply);
}

pub struct Calls<C>(Mutex<State<C>>);

struct State<C> {
    held: VecDeque<Held<C>>,
    open: HashMap<String, (C, Instant)>,
    next: u64,
}

struct Held<C> {
    caller: C,
    wanted: WantedCall,
    start_by: Instant,
}

impl<C> Default for Calls<C> {
    fn default() -> Self {
        Self(Mutex::new(State { held: VecDeque::new(), open: HashMap::new(), next: 0 }))
    }
}

impl<C: Caller> Calls<C> {
    pub fn hold(&self, caller: C, wanted: WantedCall) {
        let mut state = self.state();
        if state.held.len() + state.open.len() >= CALLS_MAX {
            drop(state);
            return caller.reply(CallReply::Busy);
        }
        let start_by = Instant::now() + wanted.start_within;
        state.held.push_back(Held { caller, wanted, start_by });
    }

    /// The next call for a client that listens.
    pub fn open(&self) -> Option<Call> {
        let mut state = self.state();
        let Held { caller, wanted, .. } = state.held.pop_front()?;
        state.next += 1;
        let id = format!("{:x}", state.next);
        let answer_by = Instant::now() + wanted.answer_within;
        state.open.insert(id.clone(), (caller, answer_by));
        Some(Call { id, method: wanted.method, payload: wanted.payload })
    }

    /// What nobody waits for any more is dropped.
    pub fn answer(&self, id: &str, status: i64, payload: Bytes) {
        let open = self.state().open.remove(id);
        if let Some((caller, _)) = open {
            caller.reply(CallReply::Answered { status, payload });
        }
    }

    /// When the next of them is too late.
    pub fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let held = state.held.iter().map(|held| held.start_by);
        let open = state.open.values().map(|(_, answer_by)| *answer_by);
        held.chain(open).min()
    }

    /// Answers those that are too late.
    pub fn expire(&self, is_listening: bool) {
        let now = Instant::now();
        let mut state = self.state();
        let mut late = Vec::new();
        for held in std::mem::take(&mut state.held) {
            if is_listening || held.start_by > now {
                state.held.push_back(held);
            } else {
                late.push((held.caller, CallReply::NotOnline));
            }
        }
        let open = state.open.extract_if(|_, (_, answer_by)| *answer_by <= now);
        late.extend(open.map(|(_, (caller, _))| (caller, CallReply::TimedOut)));
        drop(state);
        late.into_iter().for_each(|(caller, reply)| caller.reply(reply));
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<CallReply>>>);

    impl Caller for Heard {
        fn reply(self, reply: CallReply) {
            self.0.lock().unwrap().push(reply);
        }
    }

    fn wanted() -> WantedCall {
        let within = Duration::from_secs(5);
        let (method, payload) = ("m".to_owned(), Bytes::from_static(b"1"));
        WantedCall { method, payload, start_within: within, answer_within: within }
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_has_one_reply() {
        let (calls, heard) = (Calls::default(), Heard::default());
        for _ in 0..=CALLS_MAX {
            calls.hold(heard.clone(), wanted());
        }
        assert_eq!(*heard.0.lock().unwrap(), [CallReply::Busy]);
        let (first, second) = (calls.open().unwrap(), calls.open().unwrap());
        calls.answer(&first.id, 200, Bytes::new());
        calls.answer(&first.id, 201, Bytes::new());
        tokio::time::advance(Duration::from_secs(6)).await;
        calls.expire(false);
        calls.answer(&second.id, 200, Bytes::new());
        let heard = heard.0.lock().unwrap();
        assert_eq!(heard[1], CallReply::Answered { status: 200, payload: Bytes::new() });
        let count = |reply: &CallReply| heard.iter().filter(|heard| *heard == reply).count();
        assert_eq!((count(&CallReply::NotOnline), count(&CallReply::TimedOut)), (CALLS_MAX - 2, 1));
        assert_eq!(calls.deadline(), None);
    }
}
