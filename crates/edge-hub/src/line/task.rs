//! One line: keeps a connection as long as somebody wants it, and begins anew when it breaks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skerry_front::device::Settlement;
use skerry_model::{IdentityId, Random};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::carrier::{Carrier, DialError, Heard, Parcel, TwinReply, Wants};
use super::lines::{LineShared, State};
use crate::ticket::Fate;

/// What somebody wants of a line.
pub(super) enum Ask {
    Send(Parcel),
    /// Letters that wait are to come back.
    Recall {
        _over: mpsc::Sender<()>,
    },
    Twin(oneshot::Sender<TwinReply>),
    Report(Bytes, oneshot::Sender<TwinReply>),
    Answer {
        call: String,
        connection: u64,
        status: i64,
        payload: Bytes,
    },
    Settle {
        command: u64,
        connection: u64,
        how: Settlement,
    },
}

pub(super) struct Task {
    pub(super) id: IdentityId,
    pub(super) shared: Arc<LineShared>,
    pub(super) asks: mpsc::Receiver<Ask>,
    /// `None` while no client is there.
    pub(super) wants: watch::Receiver<Option<Wants>>,
    pub(super) state: watch::Sender<State>,
    pub(super) is_own: bool,
    pub(super) waiting: VecDeque<Parcel>,
    pub(super) connections: u64,
    pub(super) questions: BTreeMap<u64, (oneshot::Sender<TwinReply>, Instant)>,
    pub(super) next_question: u64,
    pub(super) pause: Duration,
    /// Tries in a row that came to nothing while the hub was reached.
    pub(super) failures: u32,
    /// Connections in a row over which the hub acknowledged nothing.
    pub(super) stuck: u32,
    /// The hub holds commands that it gives again on a new connection only.
    pub(super) gives_again: bool,
}

/// Why the connected phase ended.
enum End {
    Broken(String),
    /// The hub took nothing and answered nothing for too long.
    Stuck,
    /// Nobody needs it any more.
    Idle,
    Stopping,
}

impl Task {
    pub(super) async fn run(mut self) {
        let mut stopping = self.shared.stopping.clone();
        loop {
            tokio::select! {
                () = stopping.wait() => return,
                is_needed = self.needed() => if !is_needed { return },
            }
            let dialed = tokio::select! {
                () = stopping.wait() => return,
                dialed = self.dial() => dialed,
            };
            match dialed {
                Ok(carrier) => match self.serve(carrier).await {
                    End::Broken(why) => {
                        self.told(State::Down, &why);
                        // One that broke at once is not asked again at once.
                        self.rest().await;
                    }
                    End::Stuck => {
                        let why = "the hub does not answer";
                        self.stuck += 1;
                        // One to which the hub does not listen while it does to others must not keep theirs waiting.
                        if !self.is_own && self.stuck >= FAILURES_MAX && *self.shared.reach.borrow() {
                            self.told(State::Barred, why);
                            self.bar(why).await;
                            self.state.send_replace(State::Down);
                        } else {
                            self.told(State::Down, why);
                            self.rest().await;
                        }
                    }
                    End::Idle => {
                        self.state.send_replace(State::Down);
                        if self.shared.let_go(&self.id, &mut self.asks) {
                            return;
                        }
                    }
                    End::Stopping => return,
                },
                Err(error) => {
                    let is_refused = matches!(error, DialError::Refused { .. });
                    let is_reached = *self.shared.reach.borrow();
                    self.failures = if is_reached { self.failures + 1 } else { 0 };
                    let why = error.to_string();
                    // One that cannot get through while others do must not keep their letters waiting.
                    if !self.is_own && (is_refused || self.failures >= FAILURES_MAX) {
                        self.told(State::Barred, &why);
                        self.bar(&why).await;
                        self.state.send_replace(State::Down);
                    } else {
                        self.told(State::Down, &why);
                        self.rest().await;
                    }
                }
            }
        }
    }

    fn told(&self, state: State, why: &str) {
        let before = self.state.send_replace(state);
        if before != state {
            match self.is_own {
                true => tracing::info!(why, "The hub is not reached any more."),
                false => tracing::debug!(id = %self.id, why, "A line to the hub is down."),
            }
            self.shared.ear().down(&self.id, state);
        }
    }

    /// Waits until somebody needs a connection, and the hub can be reached at all. `false`: nobody will.
    async fn needed(&mut self) -> bool {
        loop {
            let has_work = !self.waiting.is_empty() || self.wants.borrow().is_some();
            if self.is_own {
                return true;
            }
            let is_reached = *self.shared.reach.borrow();
            if has_work && is_reached {
                return true;
            }
            let mut reach = self.shared.reach.subscribe();
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.hold(ask),
                    None => return false,
                },
                changed = self.wants.changed() => if changed.is_err() { return false },
                () = async { drop(reach.wait_for(|reach| *reach != is_reached).await) }, if has_work => {
                    // Not all in the same moment.
                    sleep(jitter(Duration::from_millis(300), self.shared.random.as_ref())).await;
                }
                () = sleep(self.shared.options.idle), if !has_work => {
                    if self.shared.let_go(&self.id, &mut self.asks) {
                        return false;
                    }
                }
            }
        }
    }

    /// An ask that comes while there is no connection.
    fn hold(&mut self, ask: Ask) {
        match ask {
            Ask::Send(parcel) => self.waiting.push_back(parcel),
            Ask::Recall { .. } => self.waiting.clear(),
            // Whoever asks hears at once that nobody answers.
            Ask::Twin(_) | Ask::Report(..) => {}
            Ask::Answer { .. } | Ask::Settle { .. } => {}
        }
    }

    async fn dial(&mut self) -> Result<Box<dyn Carrier>, DialError> {
        let chain = match self.is_own {
            true => None,
            false => {
                let chain = self.shared.chain_of(&self.id);
                let why = || format!("{} is not in the scope of this device", self.id);
                Some(chain.ok_or_else(|| DialError::Refused { why: why() })?)
            }
        };
        let (shared, id) = (Arc::clone(&self.shared), self.id.clone());
        let dialing = async {
            let _turn = shared.dialing.acquire().await;
            tokio::time::timeout(shared.options.dial_timeout, shared.dialer.dial(id, chain)).await
        };
        let mut dialing = std::pin::pin!(dialing);
        loop {
            tokio::select! {
                dialed = &mut dialing => return match dialed {
                    Ok(dialed) => dialed,
                    Err(_) => Err(DialError::Unreachable { why: "the hub does not answer in time".to_owned() }),
                },
                // Somebody who asks meanwhile is not kept waiting for an answer.
                Some(ask) = self.asks.recv() => self.hold(ask),
            }
        }
    }

    /// Letters come back for a while.
    async fn bar(&mut self, why: &str) {
        let barred = |parcel: Parcel| parcel.ticket.tell(Fate::Barred { why: why.to_owned() });
        self.waiting.drain(..).for_each(barred);
        let mut until = Instant::now() + self.shared.options.barred;
        let mut at_least = Instant::now() + BARRED_LEAST;
        let mut known = self.shared.scope_changes();
        let mut knows = true;
        loop {
            tokio::select! {
                () = sleep_until(until.max(at_least)) => return,
                changed = known.changed(), if knows => match changed {
                    Ok(()) => until = Instant::now(),
                    Err(_) => knows = false,
                },
                ask = self.asks.recv() => match ask {
                    Some(Ask::Send(parcel)) => {
                        barred(parcel);
                        at_least = Instant::now() + BARRED_LEAST;
                    }
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }

    /// Between two tries.
    async fn rest(&mut self) {
        let pause = jitter(self.pause, self.shared.random.as_ref());
        self.pause = (self.pause * 2).min(self.shared.options.pause_last);
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.hold(ask),
                    None => return sleep_until(until).await,
                },
            }
        }
    }

    /// The connected phase.
    async fn serve(&mut self, mut carrier: Box<dyn Carrier>) -> End {
        self.connections += 1;
        self.gives_again = false;
        let end = self.serve_with(carrier.as_mut()).await;
        self.questions.clear();
        let mut again = VecDeque::from(carrier.close());
        if !again.is_empty() {
            self.shared.figures.sent_again.add(again.len() as u64);
            let id = self.id.to_string();
            let labels = [("id", id.as_str()), ("operation", "SendMessage")];
            self.shared.figures.retries.add(&labels, again.len() as u64);
            again.iter_mut().for_each(|parcel| parcel.is_again = true);
        }
        again.append(&mut self.waiting);
        self.waiting = again;
        end
    }

    async fn serve_with(&mut self, carrier: &mut dyn Carrier) -> End {
        let mut stopping = self.shared.stopping.clone();
        let wants = self.wants.borrow_and_update().unwrap_or_default();
        carrier.listen(wants);
        // As good as never.
        let life = if carrier.renews() { FOR_EVER } else { self.shared.options.connection_life };
        let renew_at = Instant::now() + life;
        let mut active_at = Instant::now();
        let mut progress_at = Instant::now();
        let mut is_up = false;
        loop {
            while carrier.has_room() && Instant::now() < renew_at {
                let Some(parcel) = self.waiting.pop_front() else { break };
                if carrier.pending() == 0 {
                    progress_at = Instant::now();
                }
                carrier.send(parcel);
            }
            let pending = carrier.pending();
            let is_busy = pending > 0 || !self.questions.is_empty();
            let is_wanted = self.is_own || self.wants.borrow().is_some();
            let hears_commands = self.wants.borrow().is_some_and(|wants| wants.commands);
            if self.gives_again && hears_commands && !is_busy {
                return End::Broken("commands are to be given again".to_owned());
            }
            if !is_busy && Instant::now() >= renew_at {
                return End::Broken("its token ends".to_owned());
            }
            let hang = self.shared.options.hang;
            let first_question = self.questions.values().map(|(_, until)| *until).min();
            let stuck_at = (carrier.pending() > 0 || !is_up).then_some(progress_at + hang);
            let idle_at = (!is_busy && !is_wanted && self.waiting.is_empty())
                .then_some(active_at + self.shared.options.idle);
            let next = [first_question, stuck_at, idle_at, Some(renew_at.max(Instant::now() + TICK))];
            let next = next.into_iter().flatten().min().unwrap_or(renew_at);
            let takes_more = self.waiting.is_empty();
            tokio::select! {
                () = stopping.wait() => return End::Stopping,
                heard = carrier.event() => match heard {
                    Err(why) => return End::Broken(why),
                    Ok(heard) => {
                        // A hub that says other things has not acknowledged anything.
                        if carrier.pending() < pending {
                            progress_at = Instant::now();
                            self.stuck = 0;
                        }
                        if matches!(heard, Heard::Listening) {
                            if !std::mem::replace(&mut is_up, true) {
                                self.failures = 0;
                                self.pause = self.shared.options.pause_first;
                                self.state.send_replace(State::Up);
                                self.shared.ear().up(&self.id);
                            }
                            // What changed before the hub knew that it is to be told is asked for.
                            if self.is_own || self.wants.borrow().is_some_and(|wants| wants.desired) {
                                self.shared.ear().listening(&self.id);
                            }
                        }
                        self.hear(heard);
                    }
                },
                ask = self.asks.recv(), if takes_more => match ask {
                    None => return End::Stopping,
                    Some(ask) => {
                        active_at = Instant::now();
                        self.take(carrier, ask);
                        // Those that have come together go out together.
                        while self.waiting.is_empty() && carrier.has_room() {
                            let Ok(ask) = self.asks.try_recv() else { break };
                            self.take(carrier, ask);
                        }
                    }
                },
                changed = self.wants.changed() => {
                    if changed.is_err() {
                        return End::Stopping;
                    }
                    active_at = Instant::now();
                    carrier.listen(self.wants.borrow_and_update().unwrap_or_default());
                }
                () = sleep_until(next) => {
                    let now = Instant::now();
                    if stuck_at.is_some_and(|at| at <= now) || first_question.is_some_and(|at| at <= now) {
                        self.shared.figures.stalls.add(1);
                        return End::Stuck;
                    }
                    if idle_at.is_some_and(|at| at <= now) {
                        return End::Idle;
                    }
                }
            }
        }
    }

    fn take(&mut self, carrier: &mut dyn Carrier, ask: Ask) {
        match ask {
            Ask::Send(parcel) => self.waiting.push_back(parcel),
            Ask::Recall { .. } => self.waiting.clear(),
            Ask::Twin(reply) => {
                let number = self.question(reply);
                carrier.ask_twin(number);
            }
            Ask::Report(patch, reply) => {
                let number = self.question(reply);
                carrier.report(number, patch);
            }
            Ask::Answer { call, connection, status, payload } if connection == self.connections => {
                carrier.answer(&call, status, payload);
            }
            Ask::Settle { command, connection, how } if connection == self.connections => {
                self.gives_again |= !carrier.settle(command, how);
            }
            // Of a connection that is gone: the hub has given up, or gives it again.
            Ask::Answer { .. } | Ask::Settle { .. } => {}
        }
    }

    fn question(&mut self, reply: oneshot::Sender<TwinReply>) -> u64 {
        self.next_question += 1;
        let until = Instant::now() + self.shared.options.hang;
        self.questions.insert(self.next_question, (reply, until));
        self.next_question
    }

    fn hear(&mut self, heard: Heard) {
        let ear = self.shared.ear();
        match heard {
            Heard::Listening | Heard::Nothing => {}
            Heard::Desired { version, patch } => ear.desired(&self.id, version, patch),
            Heard::Call { id, method, payload } => {
                ear.call(&self.id, (id, self.connections), method, payload);
            }
            Heard::Command { number, command } => {
                ear.command(&self.id, (number, self.connections), *command);
            }
            Heard::Twin { request, reply } => {
                if let Some((waiting, _)) = self.questions.remove(&request) {
                    // Whoever asked may be gone.
                    drop(waiting.send(reply));
                }
            }
        }
    }
}

/// After so many tries in a row an identity is taken for one that is not let in.
const FAILURES_MAX: u32 = 3;
/// So long after a letter came back as barred those behind it do so too: whoever sends knows by then.
const BARRED_LEAST: Duration = Duration::from_secs(1);
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// A line whose token has ended waits so long for what is under way before it looks again.
const TICK: Duration = Duration::from_millis(200);

/// Between half of it and all of it.
fn jitter(pause: Duration, random: &dyn Random) -> Duration {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    pause.mul_f64(0.5 + f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) / 2.0)
}
