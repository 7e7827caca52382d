//! Figures of the agent and its modules, under the names and labels that the original's dashboards
//! know (`edgeAgent_…`).
//!
//! Unlike the original, a step is counted when it was done, not when it was planned.

mod families;
mod summary;
mod text;
mod usage;

pub use families::{COMMON_LABELS, metrics};
pub(crate) use text::Common;
pub use usage::{Disk, HostError, HostFigures, HostSource, Usage};

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::Step;
use summary::Summary;

/// Series beyond it are not begun: a device has fifty modules, and few versions of each.
const SERIES_MAX: usize = 1000;

#[derive(Default)]
pub(crate) struct Metrics {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By module and version.
    starts: BTreeMap<(String, String), u64>,
    stops: BTreeMap<(String, String), u64>,
    pulls: BTreeMap<(String, String), u64>,
    latency: BTreeMap<&'static str, Summary>,
    deployment: Summary,
    syncs: u64,
    failed_syncs: u64,
    methods: BTreeMap<&'static str, u64>,
    /// Seconds that each module ran, and should have run.
    running: BTreeMap<String, (f64, f64)>,
    last_turn: Option<Instant>,
}

impl Metrics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_step(&self, step: &Step, version: &str, took: Duration) {
        let state = &mut *self.state();
        let series = (step.module().to_owned(), version.to_owned());
        let command = match step {
            Step::Pull(_) => "prepareUpdate",
            Step::Stop(_) => "stop",
            Step::Remove(_) => "remove",
            Step::Create(_) => "create",
            Step::Start(_) => "start",
            Step::Restart(_) => "restart",
            Step::Settle(_) => return,
        };
        state.latency.entry(command).or_default().record(took.as_secs_f64());
        match step {
            Step::Pull(_) => count(&mut state.pulls, series),
            Step::Start(_) => count(&mut state.starts, series),
            Step::Stop(_) => count(&mut state.stops, series),
            Step::Restart(_) => {
                count(&mut state.stops, series.clone());
                count(&mut state.starts, series);
            }
            Step::Remove(_) | Step::Create(_) | Step::Settle(_) => {}
        }
    }

    pub(crate) fn note_deployment(&self, took: Duration) {
        self.state().deployment.record(took.as_secs_f64());
    }

    pub(crate) fn note_sync(&self, went_well: bool) {
        let mut state = self.state();
        if went_well {
            state.syncs += 1;
        } else {
            state.failed_syncs += 1;
        }
    }

    pub(crate) fn note_method(&self, name: &'static str) {
        *self.state().methods.entry(name).or_default() += 1;
    }

    /// Every module that should run since the last turn, and whether it did.
    pub(crate) fn note_running<'a>(&self, modules: impl Iterator<Item = (&'a str, bool)>) {
        let mut state = self.state();
        let now = Instant::now();
        let passed = state.last_turn.replace(now).map_or(0.0, |last| now.duration_since(last).as_secs_f64());
        for (name, runs) in modules {
            if state.running.len() >= SERIES_MAX && !state.running.contains_key(name) {
                continue;
            }
            let (ran, expected) = state.running.entry(name.to_owned()).or_default();
            *expected += passed;
            *ran += if runs { passed } else { 0.0 };
        }
    }
}

/// How long each module ran and should have run, kept over restarts of the agent.
impl Metrics {
    pub(crate) fn availability(&self) -> Vec<u8> {
        serde_json::to_vec(&self.state().running).expect("texts and numbers are always JSON")
    }

    /// Goes on where an earlier process stopped; `false` where that cannot be read.
    pub(crate) fn restore_availability(&self, bytes: &[u8]) -> bool {
        let Ok(known) = serde_json::from_slice::<BTreeMap<String, (f64, f64)>>(bytes) else { return false };
        self.state().running = known.into_iter().take(SERIES_MAX).collect();
        true
    }
}

fn count(series: &mut BTreeMap<(String, String), u64>, key: (String, String)) {
    if series.len() < SERIES_MAX || series.contains_key(&key) {
        *series.entry(key).or_default() += 1;
    }
}
