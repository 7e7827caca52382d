//! From one version to the next.
//!
//! ```text
//!          ┌────────────────── something cannot be had, or done ──────────────┐
//!          v                                                                  │
//!  idle ──> fetching ──> ready ──> changing ──> watching ──> idle: 200        │
//!   ^          │                      │             │                         │
//!   │          └──────> waiting <─────┘             │ a module ends, or is ill
//!   │                      │                        v
//!   └── return: the version is marked as failed; the last good one is the target
//! ```
//!
//! While images are fetched everything runs as before. What fails before anything was changed is
//! tried again; what fails after it goes back, where there is something to go back to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::desired::Version;
use super::phase::Phase;
use super::work::{Progress, Supplies, Tools, WorkError};
use super::{Agent, Done};
use crate::plan::{Step, Wanted};

pub(super) struct Fetched {
    digest: String,
    result: Result<Supplies, WorkError>,
}

pub(super) struct Changed {
    version: Arc<Version>,
    created: BTreeSet<String>,
    removed: BTreeSet<String>,
    errors: Vec<WorkError>,
}

impl Agent {
    /// Goes on with the update to `target`, of which `steps` are still to be done.
    pub(super) fn advance(
        &mut self,
        target: &Arc<Version>,
        steps: Vec<Step>,
        desired: &BTreeMap<String, Wanted>,
    ) {
        if self.phase.digest().is_some_and(|digest| digest != target.digest) {
            match &self.phase {
                // What was begun is finished first.
                Phase::Changing { .. } => return,
                Phase::Fetching { work, .. } => work.abort(),
                _ => {}
            }
            self.phase = Phase::Idle;
        }
        if steps.is_empty() {
            return self.settle(target, desired);
        }
        match &self.phase {
            Phase::Idle | Phase::Watching { .. } if self.has_failed(target) => {}
            Phase::Idle | Phase::Watching { .. } => self.fetch(target, steps, 0),
            Phase::Waiting { until, tries, .. } if *until <= Instant::now() => {
                self.fetch(target, steps, *tries);
            }

            Phase::Ready { tries, supplies, .. } => self.change(target, steps, *tries, Arc::clone(supplies)),
            _ => {}
        }
    }

    fn fetch(&mut self, target: &Arc<Version>, steps: Vec<Step>, tries: u32) {
        if tries == 0 {
            tracing::info!(version = target.number, "Fetching what an update needs.");
        }
        let (tools, digest, progress) = (self.tools(target), target.digest.clone(), Progress::default());
        let (told, name) = (Arc::clone(&progress), digest.clone());
        let work = self.jobs.spawn(async move {
            let result = tools.fetch(&steps, &told).await;
            Done::Fetched(Fetched { digest: name, result })
        });
        self.phase = Phase::Fetching { digest, tries, work, progress };
    }

    pub(super) fn fetched(&mut self, fetched: Fetched) {
        let Phase::Fetching { digest, tries, .. } = &self.phase else { return };
        if *digest != fetched.digest {
            return;
        }
        let (digest, tries) = (digest.clone(), *tries);
        match fetched.result {
            Ok(supplies) => self.phase = Phase::Ready { digest, tries, supplies: Arc::new(supplies) },
            Err(error) => self.wait(digest, tries, &[error]),
        }
        // What is to be done may have changed meanwhile.
        self.look_soon();
    }

    fn change(&mut self, target: &Arc<Version>, steps: Vec<Step>, tries: u32, supplies: Arc<Supplies>) {
        let modules: BTreeSet<String> = steps.iter().map(|step| step.module().to_owned()).collect();
        let lacks =
            |step: &Step| matches!(step, Step::Create(name) if !supplies.identities.contains_key(name));
        if steps.iter().any(lacks) {
            // Something went away since: it is fetched as well.
            return self.fetch(target, steps, tries);
        }
        if modules.iter().any(|module| self.cared.contains(module)) {
            return;
        }
        tracing::info!(version = target.number, "Changing modules: {}", shown(&steps));
        let is_stopping = self.can_return(target);
        let (tools, version) = (self.tools(target), Arc::clone(target));
        let began = self.options.clock.now();
        self.phase = Phase::Changing { digest: target.digest.clone(), tries, modules, began };
        self.jobs.spawn(async move {
            Done::Changed(change(&tools, version, &steps, &supplies, is_stopping).await)
        });
    }

    /// Whether there is something to go back to from `target`.
    pub(super) fn can_return(&self, target: &Version) -> bool {
        let is_other = self.good.as_ref().is_some_and(|good| good.version.digest != target.digest);
        is_other && target.manifest.is_rollback_on
    }

    pub(super) fn changed(&mut self, changed: Changed) {
        let Phase::Changing { digest, tries, began, .. } = &self.phase else { return };
        let (digest, tries, began) = (digest.clone(), *tries, *began);
        let desired = changed.version.wanted(&self.device, self.options.is_hub_inside);
        for name in changed.created.iter().chain(&changed.removed) {
            self.history.modules.remove(name);
            self.troubles.remove(name);
        }
        for name in &changed.created {
            if let Some(wanted) = desired.get(name) {
                self.history.note_wanted(name, wanted.status);
            }
        }
        self.save_history();
        self.forget_identities(&changed);
        self.look_soon();
        if changed.errors.is_empty() {
            self.phase = Phase::watching(digest, changed.created, began, &self.options.pace);
            return;
        }
        let is_down = changed.errors.iter().all(WorkError::is_passing);
        if !is_down && self.can_return(&changed.version) {
            return self.give_back(&changed.version, &texts(&changed.errors));
        }
        self.wait(digest, tries, &changed.errors);
    }

    fn forget_identities(&mut self, changed: &Changed) {
        let tools = self.tools(&changed.version);
        let removed = changed.removed.difference(&changed.created).cloned().collect();
        self.jobs.spawn(async move {
            if let Err(error) = tools.forget_identities(&removed).await {
                // They do no harm, and the next update that removes modules does not find them.
                tracing::warn!(%error, "Identities of removed modules stay in the hub.");
            }
            Done::Nothing
        });
    }

    fn wait(&mut self, digest: String, tries: u32, errors: &[WorkError]) {
        let reason = texts(errors);
        let pace = self.options.pace;
        tracing::error!(reason, "The update waits.");
        let tries = tries.saturating_add(1);
        self.conclude(500, reason.clone());
        let is_over = tries >= pace.tries_max && !errors.iter().all(WorkError::is_passing);
        if is_over {
            self.phase = Phase::GivenUp { digest };
            return;
        }
        let factor = 1_u32.checked_shl(tries - 1).unwrap_or(u32::MAX);
        let pause: Duration = pace.retry.saturating_mul(factor).min(pace.retry_max);
        self.phase = Phase::Waiting { digest, tries, until: Instant::now() + pause, reason };
    }
}

async fn change(
    tools: &Tools,
    version: Arc<Version>,
    steps: &[Step],
    supplies: &Supplies,
    is_stopping: bool,
) -> Changed {
    let (mut created, mut removed) = (BTreeSet::new(), BTreeSet::new());
    let mut errors: Vec<WorkError> = Vec::new();
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    for step in steps.iter().filter(|step| !matches!(step, Step::Pull(_))) {
        if failed.contains(step.module()) {
            continue;
        }
        match tools.step(step, supplies).await {
            Ok(()) => match step {
                Step::Create(name) => drop(created.insert(name.clone())),
                Step::Remove(name) => drop(removed.insert(name.clone())),
                _ => {}
            },
            Err(error) => {
                errors.push(error);
                failed.insert(step.module());
                if is_stopping {
                    break;
                }
            }
        }
    }
    Changed { version, created, removed, errors }
}

fn texts(errors: &[WorkError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn shown(steps: &[Step]) -> String {
    let steps = steps.iter().filter(|step| !matches!(step, Step::Pull(_)));
    steps.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
