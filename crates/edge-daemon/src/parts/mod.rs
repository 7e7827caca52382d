//! Parts of the runtime that live in this process, where the original has a container for each: the agent, and
//! a hub where one runs. To the operator they look like modules: listed, with logs of their own, restarted alone.
//!
//! ```text
//!  API ──stop, start, restart──► Part ──asked_to_end, asked_to_run──► whoever runs it (the shell)
//!  API ◄──state, logs─────────── Part ◄──started, ended, write─────────┘
//! ```

mod log;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use skerry_model::Timestamp;
use skerry_runtime::{LogQuery, LogStream};
use tokio::sync::watch;
use tokio::time::timeout;

use log::{Log, Reading};

/// A part that has not ended, or begun, by then goes on doing so, and whoever asked is answered.
const CHANGE_LIMIT: Duration = Duration::from_secs(15);

const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// It was never started.
    New,
    Running {
        since: Timestamp,
    },
    Ended {
        since: Timestamp,
        at: Timestamp,
        code: i64,
    },
}

/// What was asked of it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    runs: bool,
    /// Grows with each restart.
    round: u64,
}

/// Tells how a part is doing, beyond whether it runs.
pub trait View: Send + Sync {
    /// `None` when it has ended.
    fn look(&self) -> Pin<Box<dyn Future<Output = Option<Value>> + Send + '_>>;
}

pub struct Part {
    name: String,
    image: String,
    view: RwLock<Option<Arc<dyn View>>>,
    state: watch::Sender<PartState>,
    wanted: watch::Sender<Wanted>,
    log: Log,
}

impl Part {
    /// `image` is what is shown where modules have theirs.
    pub fn new(name: &str, image: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            image: image.to_owned(),
            view: RwLock::default(),
            state: watch::Sender::new(PartState::New),
            wanted: watch::Sender::new(Wanted { runs: true, round: 0 }),
            log: Log::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn image(&self) -> &str {
        &self.image
    }

    pub fn state(&self) -> PartState {
        *self.state.borrow()
    }

    /// From now on it is asked there how it is doing.
    pub fn show(&self, view: Arc<dyn View>) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Some(view);
    }

    /// How it is doing; `None` where it does not run, or tells nothing.
    pub async fn look(&self) -> Option<Value> {
        if !matches!(self.state(), PartState::Running { .. }) {
            return None;
        }
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        // Whoever has no time for it now is no reason to wait for.
        timeout(LOOK_LIMIT, view.look()).await.ok()?
    }

    /// Keeps a line of its log; the oldest ones go where there are too many.
    pub fn write(&self, at: Timestamp, line: &str) {
        self.log.write(at, line);
    }

    /// What it has written, framed as an engine frames it.
    pub fn logs(self: &Arc<Self>, query: &LogQuery) -> LogStream {
        Box::new(Reading::new(Arc::clone(self), query))
    }

    /// Whoever runs it says so.
    pub fn started(&self, now: Timestamp) {
        self.state.send_replace(PartState::Running { since: now });
    }

    pub fn ended(&self, now: Timestamp, code: i64) {
        self.state.send_modify(|state| {
            let since = if let PartState::Running { since } = state { *since } else { now };
            *state = PartState::Ended { since, at: now, code };
        });
    }

    /// Which round is the one that begins now.
    pub fn round(&self) -> u64 {
        self.wanted.borrow().round
    }

    /// Until the round that began is to end.
    pub async fn asked_to_end(&self, round: u64) {
        self.until(|wanted| !wanted.runs || wanted.round != round).await;
    }

    pub async fn asked_to_run(&self) {
        self.until(|wanted| wanted.runs).await;
    }

    async fn until(&self, is_so: impl Fn(&Wanted) -> bool) {
        let mut wanted = self.wanted.subscribe();
        // The sender is ours, so it lives.
        let _ = wanted.wait_for(|wanted| is_so(wanted)).await;
    }

    /// Ends it, and waits until it has.
    pub async fn stop(&self) {
        self.wanted.send_modify(|wanted| wanted.runs = false);
        self.wait(|state| !matches!(state, PartState::Running { .. })).await;
    }

    pub async fn start(&self) {
        self.wanted.send_modify(|wanted| wanted.runs = true);
        self.wait(|state| matches!(state, PartState::Running { .. })).await;
    }

    /// Does not wait: it may be the part itself that asks.
    pub fn restart(&self) {
        self.wanted.send_modify(|wanted| *wanted = Wanted { runs: true, round: wanted.round + 1 });
    }

    /// Nobody asked for its end, or that was long enough ago.
    pub fn want_again(&self) {
        self.wanted.send_modify(|wanted| wanted.runs = true);
    }

    async fn wait(&self, is_so: impl Fn(&PartState) -> bool) {
        let mut state = self.state.subscribe();
        // Late is told by the state itself.
        let _ = timeout(CHANGE_LIMIT, state.wait_for(|state| is_so(state))).await;
    }
}

/// All of them.
#[derive(Clone, Default)]
pub struct Parts(Arc<[Arc<Part>]>);

impl Parts {
    pub fn new(parts: Vec<Arc<Part>>) -> Self {
        Self(parts.into())
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Part>> {
        self.0.iter().find(|part| part.name == name)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Part>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_is_stopped_started_and_restarted_by_whoever_runs_it() {
        let part = Part::new("edgeAgent", "skerry");
        assert_eq!(part.state(), PartState::New);
        let running = tokio::spawn({
            let part = Arc::clone(&part);
            async move {
                for seconds in 0.. {
                    part.asked_to_run().await;
                    let round = part.round();
                    part.started(at(seconds));
                    part.asked_to_end(round).await;
                    part.ended(at(seconds), 0);
                }
            }
        });
        part.start().await;
        assert_eq!(part.state(), PartState::Running { since: at(0) });
        part.stop().await;
        assert_eq!(part.state(), PartState::Ended { since: at(0), at: at(0), code: 0 });
        part.stop().await;
        part.start().await;
        assert_eq!(part.state(), PartState::Running { since: at(1) });
        part.restart();
        part.wait(|state| *state == PartState::Running { since: at(2) }).await;
        assert_eq!(part.state(), PartState::Running { since: at(2) });
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_is_answered_though_nobody_obeys() {
        let part = Part::new("edgeAgent", "skerry");
        part.started(at(0));
        part.stop().await;
        assert_eq!(part.state(), PartState::Running { since: at(0) });
    }
}
