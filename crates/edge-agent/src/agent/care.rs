//! Keeping what is there in its state, and which version it is kept at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skerry_runtime::Status;
use tokio::time::Instant;

use super::desired::Version;
use super::work::{Tools, WorkError};
use super::{Agent, Done};
use crate::manifest::DesiredStatus;
use crate::plan::{Plan, Seen, Situation, Step, plan};

/// What came of the care for one module.
pub(super) struct Cared {
    module: String,
    steps: Vec<Step>,
    error: Option<WorkError>,
}

/// A wait shorter than this is none.
const WAIT_MIN: Duration = Duration::from_millis(100);

impl Agent {
    /// The version that modules are kept at: the newest one, or the last good one after the newest
    /// one failed.
    pub(super) fn target(&self) -> Option<Arc<Version>> {
        let newest = self.version.as_ref()?;
        match &self.good {
            Some(good) if self.has_failed(newest) => Some(Arc::new(good.version.clone())),
            _ => Some(Arc::clone(newest)),
        }
    }

    pub(super) fn has_failed(&self, version: &Version) -> bool {
        self.history.failed.as_ref().is_some_and(|failed| failed.digest == version.digest)
    }

    /// Decides anew, after a look.
    pub(super) fn turn(&mut self) {
        let Some(target) = self.target() else { return };
        let Some(containers) = &self.containers else { return };
        let current: BTreeMap<String, Seen> =
            containers.iter().map(|(name, container)| (name.clone(), Seen::from(container))).collect();
        let desired = target.wanted(&self.device, self.options.is_hub_inside);
        let now = self.options.clock.now();
        let situation = Situation {
            current: &current,
            desired: &desired,
            history: &self.history,
            limits: &self.options.limits,
            now,
        };
        let Plan { update, care, wake, statuses } = plan(&situation);
        self.statuses = statuses;
        self.wake = wake.map(|until| Instant::now() + until.since(now).max(WAIT_MIN));
        let wanted = desired.iter().filter(|(_, wanted)| wanted.status == DesiredStatus::Running);
        let runs = |name: &str| current.get(name).is_some_and(|seen| seen.status == Status::Running);
        self.metrics.note_running(wanted.map(|(name, _)| (name.as_str(), runs(name))));
        self.checkpoint();
        self.advance(&target, update, &desired);
        self.care(&target, care);
    }

    fn care(&mut self, target: &Arc<Version>, steps: Vec<Step>) {
        let mut by_module: BTreeMap<String, Vec<Step>> = BTreeMap::new();
        for step in steps {
            by_module.entry(step.module().to_owned()).or_default().push(step);
        }
        for (module, steps) in by_module {
            if self.cared.contains(&module) || self.phase.is_changing(&module) {
                continue;
            }
            if steps == [Step::Settle(module.clone())] {
                self.history.settle(&module);
                self.troubles.remove(&module);
                self.save_history();
                continue;
            }
            let restarts = steps.iter().any(|step| matches!(step, Step::Restart(_)));
            if restarts {
                tracing::warn!(module, "Restarting it.");
                self.history.note_restart(&module, self.options.clock.now());
                self.save_history();
            }
            self.cared.insert(module.clone());
            let tools = self.tools(target);
            self.jobs.spawn(async move {
                let error = tools.care(&steps).await.err();
                Done::Cared(Cared { module, steps, error })
            });
        }
    }

    pub(super) fn tools(&self, target: &Arc<Version>) -> Tools {
        let good = self.good.as_ref().map(|good| good.images.clone()).unwrap_or_default();
        Tools {
            runtime: Arc::clone(&self.options.runtime),
            identities: Arc::clone(&self.options.identities),
            device: Arc::clone(&self.device),
            version: Arc::clone(target),
            good: Arc::new(good),
            metrics: Arc::clone(&self.metrics),
        }
    }

    pub(super) fn cared(&mut self, cared: Cared) {
        let Cared { module, steps, error } = cared;
        self.cared.remove(&module);
        let wanted = steps.iter().find_map(|step| match step {
            Step::Start(_) | Step::Restart(_) => Some(DesiredStatus::Running),
            Step::Stop(_) => Some(DesiredStatus::Stopped),
            _ => None,
        });
        match error {
            None => {
                if let Some(wanted) = wanted {
                    self.history.note_wanted(&module, wanted);
                }
                if !steps.iter().any(|step| matches!(step, Step::Restart(_))) {
                    self.troubles.remove(&module);
                }
            }
            Some(error) => {
                tracing::error!(module, %error, "A module is not as it should be.");
                self.troubles.insert(module.clone(), error.to_string());
                // A restart was counted when it began.
                if steps.iter().any(|step| matches!(step, Step::Start(_))) && !error.is_passing() {
                    self.history.note_restart(&module, self.options.clock.now());
                }
            }
        }
        self.save_history();
        self.look_soon();
    }
}

impl Tools {
    async fn care(&self, steps: &[Step]) -> Result<(), WorkError> {
        let supplies = self.fetch(steps, &super::work::Progress::default()).await?;
        for step in steps {
            self.step(step, &supplies).await?;
        }
        Ok(())
    }
}
