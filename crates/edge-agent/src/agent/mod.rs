//! The agent itself: one task that owns all state, and works that come back to it.
//!
//! ```text
//!   hub line ──┐                        ┌── look (list containers)
//!   events  ───┤      ┌─────────┐       ├── fetch (pull images, make identities)
//!   timer   ───┼────> │  agent  │ ────> ├── change (stop, remove, create, start)
//!   handle  ───┤      └─────────┘ <──── ├── care (one module: start, stop, restart)
//!   shutdown ──┘       plan()           └── save, methods
//! ```
//!
//! Nothing of what takes long is awaited by the task, so a slow pull delays neither a restart nor an
//! answer. One look and one update are on their way at a time, and one care for each module; what
//! comes meanwhile is seen by the next look.

mod care;
mod clock;
mod desired;
mod handle;
mod hub;
mod keep;
mod line;
mod look;
mod options;
mod phase;
mod quality;
mod update;
mod verdict;
mod work;

pub use handle::{Handle, ModuleView, Snapshot};
pub use options::{AgentOptions, Pace};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skerry_model::Timestamp;
use skerry_runtime::{Container, EngineError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::link::{DesiredTwin, HubEvent, HubLink};
use crate::manifest::ManifestError;
use crate::metrics::Metrics;
use crate::plan::{History, ModuleStatus};
use crate::report::{LastDesired, Platform};
use desired::{Good, Version};
use handle::Command;
use hub::Reporter;
use look::Engine;
use phase::Phase;

pub struct Agent {
    options: Arc<AgentOptions>,
    device: Arc<crate::Device>,
    link: Box<dyn HubLink>,
    commands: mpsc::Receiver<Command>,
    jobs: JoinSet<Done>,
    /// Something happened to a container.
    changed: Arc<Notify>,
    started: Timestamp,

    twin: DesiredTwin,
    next_refresh: Option<Instant>,
    /// The newest manifest that can be carried out.
    version: Option<Arc<Version>>,
    /// Why the newest one cannot.
    refused: Option<ManifestError>,
    good: Option<Good>,
    history: History,
    last: Option<LastDesired>,

    containers: Option<BTreeMap<String, Container>>,
    engine: Engine,
    platform: Platform,
    statuses: BTreeMap<String, ModuleStatus>,
    /// Modules with a care on its way.
    cared: BTreeSet<String>,
    troubles: BTreeMap<String, String>,
    phase: Phase,
    /// When the next restart is due.
    wake: Option<Instant>,

    keeper: keep::Keeper,
    line: line::LineState,
    /// Seconds that this machine's clock is ahead of the hub's, where that is too much.
    clock_apart: Option<i64>,
    reporter: Reporter,
    /// Where somebody wants it.
    quality: Option<quality::Quality>,
    tasks: Arc<crate::methods::Tasks>,
    metrics: Arc<Metrics>,
    /// Names this process among its figures.
    instance: String,
    /// Since when a newer version is wanted.
    wanted_since: Option<Instant>,
}

/// What came of a work.
enum Done {
    Looked(Result<look::Seen, EngineError>),
    Cared(care::Cared),
    Fetched(update::Fetched),
    Changed(update::Changed),
    Saved(keep::Saved),
    Answered(hub::Answered),
    /// A page of figures.
    Gathered(String),
    /// Something that nobody waits for.
    Nothing,
}

impl Agent {
    pub fn new(options: AgentOptions, link: Box<dyn HubLink>) -> (Self, Handle) {
        let (handle, commands) = handle::new();
        let options = Arc::new(options);
        let agent = Self {
            device: Arc::new(options.device.clone()),
            link,
            commands,
            jobs: JoinSet::new(),
            changed: Arc::new(Notify::new()),
            started: options.clock.now(),
            twin: DesiredTwin::default(),
            next_refresh: None,
            version: None,
            refused: None,
            good: None,
            history: History::default(),
            last: None,
            containers: None,
            engine: Engine::new(),
            platform: Platform::default(),
            statuses: BTreeMap::new(),
            cared: BTreeSet::new(),
            troubles: BTreeMap::new(),
            phase: Phase::Idle,
            wake: None,
            keeper: keep::Keeper::default(),
            line: line::LineState::default(),
            clock_apart: None,
            reporter: Reporter::default(),
            quality: options.sends_quality.then(|| quality::Quality::new(Instant::now(), &options.pace)),
            tasks: Arc::default(),
            metrics: Arc::default(),
            instance: crate::methods::guid(options.random.as_ref()),
            wanted_since: None,
            options,
        };
        (agent, handle)
    }

    /// Until `shutdown` is true. Modules run on.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        self.load().await;
        self.listen();
        let changed = Arc::clone(&self.changed);
        loop {
            self.look();
            self.look_at_clock();
            self.report();
            self.tend_quality();
            let timer = self.next_timer();
            tokio::select! {
                event = self.link.next() => self.hear(event),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => match done {
                    Ok(done) => self.take(done),
                    // A work that panicked takes the agent with it, loudly, rather than to stand still.
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(_) => {}
                },
                Some(command) = self.commands.recv() => self.obey(command),
                () = changed.notified() => self.look_soon(),
                () = sleep_until(timer) => {}
                ended = shutdown.wait_for(|is_over| *is_over) => {
                    drop(ended);
                    break;
                }
            }
        }
        self.say_goodbye().await;
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Looked(looked) => self.looked(looked),
            Done::Cared(cared) => self.cared(cared),
            Done::Fetched(fetched) => self.fetched(fetched),
            Done::Changed(changed) => self.changed(changed),
            Done::Saved(saved) => self.saved(saved),
            Done::Answered(answered) => self.answered(answered),
            Done::Gathered(page) => self.gathered(&page),
            Done::Nothing => {}
        }
    }

    fn hear(&mut self, event: HubEvent) {
        match event {
            HubEvent::Up => self.line_up(),
            HubEvent::Down { reason, is_refused } => self.line_down(reason, is_refused),
            HubEvent::Twin { desired, reported } => self.twin_came(desired, reported),
            HubEvent::Patch { version, patch } => self.patch_came(version, &patch),
            HubEvent::Reported { status, text } => self.reported(status, &text),
            HubEvent::Sent { is_kept } => self.sent(is_kept),
            HubEvent::Call { id, name, payload } => self.called(id, &name, payload),
        }
    }
}
