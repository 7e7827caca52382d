//! All lines of one edge.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_front::device::{Settlement, Subscriptions};
use skerry_model::{IdentityId, Random};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::carrier::{Dialer, Parcel, Told, TwinReply, Wants};
use super::task::{Ask, Task};
use crate::ending::Ending;
use crate::figures::Figures;

/// Asks that wait for one line.
const ASKS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
pub struct LinesOptions {
    /// Between tries.
    pub pause_first: Duration,
    pub pause_last: Duration,
    pub dial_timeout: Duration,
    /// A hub that does not acknowledge or answer for so long is taken for gone.
    pub hang: Duration,
    /// A line that nobody needs is closed after this.
    pub idle: Duration,
    /// An identity that is not let in tries again after this.
    pub barred: Duration,
    /// Before its token ends, a connection is begun anew.
    pub connection_life: Duration,
    /// Connections that are opened at a time.
    pub dialing_max: usize,
}

impl Default for LinesOptions {
    fn default() -> Self {
        Self {
            pause_first: Duration::from_millis(500),
            pause_last: Duration::from_secs(5),
            dial_timeout: Duration::from_secs(20),
            hang: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            barred: Duration::from_secs(60),
            connection_life: Duration::from_secs(50 * 60),
            dialing_max: 8,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Down,
    Up,
    Barred,
}

/// Hears what comes over lines. Nothing in here waits.
pub(crate) trait Ear: Send + Sync {
    fn up(&self, id: &IdentityId);

    fn down(&self, id: &IdentityId, state: State);

    /// From now on the hub tells what changes of the desired properties.
    fn listening(&self, id: &IdentityId);

    fn desired(&self, id: &IdentityId, version: u64, patch: Map<String, Value>);

    /// Answered by [`Lines::answer`] with the same name.
    fn call(&self, id: &IdentityId, name: (String, u64), method: String, payload: Bytes);

    /// Settled by [`Lines::settle`] with the same name.
    fn command(&self, id: &IdentityId, name: (u64, u64), command: Told);

    fn chain(&self, id: &IdentityId) -> Option<String>;

    fn scope_changes(&self) -> watch::Receiver<u64>;
}

pub(crate) struct Lines {
    shared: Arc<LineShared>,
}

pub(super) struct LineShared {
    own: IdentityId,
    pub(super) options: LinesOptions,
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) random: Arc<dyn Random>,
    pub(super) figures: Arc<Figures>,
    pub(super) dialing: Semaphore,
    /// Whether the edge hub's own line is up.
    pub(super) reach: watch::Sender<bool>,
    pub(super) stopping: Ending,
    ear: OnceLock<Weak<dyn Ear>>,
    lines: Mutex<HashMap<IdentityId, Line>>,
}

struct Line {
    asks: mpsc::Sender<Ask>,
    wants: watch::Sender<Option<Wants>>,
    state: watch::Receiver<State>,
}

impl Lines {
    pub(crate) fn new(
        own: IdentityId,
        options: LinesOptions,
        dialer: Arc<dyn Dialer>,
        random: Arc<dyn Random>,
        figures: Arc<Figures>,
        stopping: Ending,
    ) -> Self {
        let shared = LineShared {
            own,
            dialing: Semaphore::new(options.dialing_max),
            options,
            dialer,
            random,
            figures,
            reach: watch::Sender::new(false),
            stopping,
            ear: OnceLock::new(),
            lines: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Who hears what comes. Before it nothing is dialed.
    pub(crate) fn listen(&self, ear: Weak<dyn Ear>) {
        drop(self.shared.ear.set(ear));
    }

    /// Whether the hub can be reached.
    pub(crate) fn reach(&self) -> watch::Receiver<bool> {
        self.shared.reach.subscribe()
    }

    pub(crate) fn is_reached(&self) -> bool {
        *self.shared.reach.borrow()
    }

    pub(crate) fn reached(&self, is_reached: bool) {
        self.shared.reach.send_if_modified(|now| std::mem::replace(now, is_reached) != is_reached);
    }

    /// A client is there, and wants to be told this.
    pub(crate) fn want(&self, id: &IdentityId, subscriptions: Subscriptions) {
        self.want_exactly(id, Wants::of(&subscriptions));
    }

    pub(crate) fn want_exactly(&self, id: &IdentityId, wants: Wants) {
        let mut lines = self.shared.lines();
        let line = self.line(&mut lines, id);
        line.wants.send_if_modified(|now| now.replace(wants) != Some(wants));
    }

    /// The client is gone.
    pub(crate) fn leave(&self, id: &IdentityId) {
        if let Some(line) = self.shared.lines().get(id) {
            line.wants.send_if_modified(|now| now.take().is_some());
        }
    }

    /// Sends a letter of the identity; where too many wait it comes back by its ticket.
    pub(crate) fn send(&self, id: &IdentityId, parcel: Parcel) {
        let mut lines = self.shared.lines();
        let sent = self.line(&mut lines, id).asks.try_send(Ask::Send(parcel));
        drop(lines);
        drop(sent);
    }

    /// Letters that wait for a connection come back. Nothing comes back of it any more when what is returned is
    /// closed.
    pub(crate) fn recall(&self) -> mpsc::Receiver<()> {
        let (over, is_over) = mpsc::channel(1);
        for line in self.shared.lines().values() {
            // A line without room for it has far more to do than to wait.
            drop(line.asks.try_send(Ask::Recall { _over: over.clone() }));
        }
        is_over
    }

    /// The twin as the hub has it; `None` where it does not answer now.
    pub(crate) async fn twin(&self, id: &IdentityId) -> Option<TwinReply> {
        let (reply, replied) = oneshot::channel();
        self.ask(id, Ask::Twin(reply))?;
        replied.await.ok()
    }

    pub(crate) async fn report(&self, id: &IdentityId, patch: Bytes) -> Option<TwinReply> {
        let (reply, replied) = oneshot::channel();
        self.ask(id, Ask::Report(patch, reply))?;
        replied.await.ok()
    }

    /// Only where the line is up: nobody waits for one that is not.
    fn ask(&self, id: &IdentityId, ask: Ask) -> Option<()> {
        let lines = self.shared.lines();
        let line = lines.get(id).filter(|line| *line.state.borrow() == State::Up)?;
        line.asks.try_send(ask).ok()
    }

    pub(crate) fn answer(&self, id: &IdentityId, name: (String, u64), status: i64, payload: Bytes) {
        let (call, connection) = name;
        self.ask(id, Ask::Answer { call, connection, status, payload });
    }

    /// What became of a command.
    pub(crate) fn settle(&self, id: &IdentityId, name: (u64, u64), how: Settlement) {
        let (command, connection) = name;
        self.ask(id, Ask::Settle { command, connection, how });
    }

    /// Waits until a line is up, or is not let in, or for so long.
    pub(crate) async fn up_within(&self, id: &IdentityId, most: Duration) {
        let state = self.shared.lines().get(id).map(|line| line.state.clone());
        let Some(mut state) = state else { return };
        // Whatever came of it, whoever asks looks at it.
        drop(tokio::time::timeout(most, state.wait_for(|state| *state != State::Down)).await);
    }

    pub(crate) fn state(&self, id: &IdentityId) -> State {
        self.shared.lines().get(id).map_or(State::Down, |line| *line.state.borrow())
    }

    fn line<'l>(&self, lines: &'l mut HashMap<IdentityId, Line>, id: &IdentityId) -> &'l mut Line {
        lines.entry(id.clone()).or_insert_with(|| {
            let (asks, asked) = mpsc::channel(ASKS_MAX);
            let (wants, wanted) = watch::channel(None);
            let (state, seen) = watch::channel(State::Down);
            let task = Task {
                id: id.clone(),
                is_own: *id == self.shared.own,
                shared: Arc::clone(&self.shared),
                asks: asked,
                wants: wanted,
                state,
                waiting: VecDeque::new(),
                connections: 0,
                questions: BTreeMap::new(),
                next_question: 0,
                pause: self.shared.options.pause_first,
                failures: 0,
                stuck: 0,
                gives_again: false,
            };
            tokio::spawn(task.run());
            Line { asks, wants, state: seen }
        })
    }
}

impl LineShared {
    pub(super) fn ear(&self) -> Arc<dyn Ear> {
        self.ear.get().and_then(Weak::upgrade).unwrap_or_else(|| Arc::new(Deaf))
    }

    pub(super) fn chain_of(&self, id: &IdentityId) -> Option<String> {
        self.ear().chain(id)
    }

    pub(super) fn scope_changes(&self) -> watch::Receiver<u64> {
        self.ear().scope_changes()
    }

    /// The line ends if nobody has asked for anything in the meantime.
    pub(super) fn let_go(&self, id: &IdentityId, asks: &mut mpsc::Receiver<Ask>) -> bool {
        let mut lines = self.lines();
        let is_wanted = lines.get(id).is_some_and(|line| line.wants.borrow().is_some());
        if is_wanted || !asks.is_empty() {
            return false;
        }
        lines.remove(id);
        true
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<IdentityId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While the edge ends.
struct Deaf;

impl Ear for Deaf {
    fn up(&self, _: &IdentityId) {}

    fn down(&self, _: &IdentityId, _: State) {}

    fn listening(&self, _: &IdentityId) {}

    fn desired(&self, _: &IdentityId, _: u64, _: Map<String, Value>) {}

    fn call(&self, _: &IdentityId, _: (String, u64), _: String, _: Bytes) {}

    fn command(&self, _: &IdentityId, _: (u64, u64), _: Told) {}

    fn chain(&self, _: &IdentityId) -> Option<String> {
        None
    }

    fn scope_changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}
