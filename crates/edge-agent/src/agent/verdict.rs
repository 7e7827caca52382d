//! Whether a version holds: it is accepted, or given back for the last one that did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skerry_model::Timestamp;
use skerry_runtime::{Container, Health, Status};
use tokio::time::Instant;

use super::Agent;
use super::desired::{Good, GoodImage, Version};
use super::phase::Phase;
use crate::manifest::{DesiredStatus, RestartPolicy};
use crate::plan::{Failed, Seen, Wanted};
use crate::report::LastDesired;

impl Agent {
    /// Nothing is to be done any more: it is a good version once its modules have kept running.
    pub(super) fn settle(&mut self, target: &Arc<Version>, desired: &BTreeMap<String, Wanted>) {
        let is_good = self.history.good.as_ref() == Some(&target.digest);
        match &self.phase {
            Phase::Changing { .. } => {}
            Phase::Watching { fresh, began, since, .. } => {
                let (age, pace) = (since.elapsed(), self.options.pace);
                let began = *began;
                match self.verdict(desired, fresh, began) {
                    Err(reason) if self.can_return(target) => self.give_back(target, &reason),
                    // It is only told: the restarts go on.
                    Err(reason) => {
                        self.conclude(500, reason);
                        self.phase = Phase::GivenUp { digest: target.digest.clone() };
                    }
                    Ok(is_decided) if age >= pace.probation && (is_decided || age >= pace.probation_max) => {
                        self.accept(target, desired);
                    }
                    Ok(_) => self.watch_on(),
                }
            }
            Phase::GivenUp { .. } => {
                // A module that was the reason may have come to itself.
                if self.is_steady(desired) {
                    self.accept(target, desired);
                }
            }
            _ if is_good => self.accept(target, desired),
            _ if self.has_failed(target) => {}
            // It was changed before this process began, or there was nothing to change.
            _ => {
                let began = self.options.clock.now();
                let (digest, fresh) = (target.digest.clone(), BTreeSet::new());
                self.phase = Phase::watching(digest, fresh, began, &self.options.pace);
            }
        }
    }

    /// Whether every module that should run does, and whether all health checks have decided.
    fn verdict(
        &self,
        desired: &BTreeMap<String, Wanted>,
        fresh: &BTreeSet<String>,
        began: Timestamp,
    ) -> Result<bool, String> {
        let containers = self.containers.as_ref();
        let mut is_decided = true;
        for (name, wanted) in desired.iter().filter(|(_, wanted)| wanted.status == DesiredStatus::Running) {
            let Some(container) = containers.and_then(|containers| containers.get(name)) else { continue };
            let is_new = fresh.contains(name) || container.exit.is_some_and(|exit| exit.at >= began);
            if let Some(reason) = illness(container, wanted.policy, is_new) {
                let reason = self.troubles.get(name).cloned().unwrap_or_else(|| format!("{name} {reason}"));
                return Err(reason);
            }
            is_decided &= container.health != Some(Health::Starting);
        }
        Ok(is_decided)
    }

    /// Beyond the probation only health checks are waited for.
    fn watch_on(&mut self) {
        let pace = self.options.pace;
        if let Phase::Watching { since, next, .. } = &mut self.phase {
            *next = (*since + pace.probation).max(Instant::now() + pace.look_again);
        }
    }

    /// Whether every module that should run has done so for as long as an update is watched.
    fn is_steady(&self, desired: &BTreeMap<String, Wanted>) -> bool {
        let now = self.options.clock.now();
        let is_old = |name: &str| {
            let container = self.containers.as_ref().and_then(|containers| containers.get(name));
            container.and_then(|c| c.started).is_some_and(|at| now.since(at) >= self.options.pace.probation)
        };
        let mut running = desired.iter().filter(|(_, wanted)| wanted.status == DesiredStatus::Running);
        running.all(|(name, _)| is_old(name)) && self.verdict(desired, &BTreeSet::new(), now) == Ok(true)
    }

    fn accept(&mut self, target: &Arc<Version>, desired: &BTreeMap<String, Wanted>) {
        self.phase = Phase::Idle;
        let is_newest = self.version.as_ref().is_some_and(|newest| newest.digest == target.digest);
        if !is_newest {
            return;
        }
        self.conclude(200, String::new());
        if self.history.good.as_ref() == Some(&target.digest) && self.good.is_some() {
            return;
        }
        tracing::info!(version = target.number, "The update is done.");
        if let Some(since) = self.wanted_since.take() {
            self.metrics.note_deployment(since.elapsed());
        }
        let containers = self.containers.iter().flatten();
        let images = containers.filter_map(|(name, container)| {
            let fingerprint = Seen::from(container).fingerprint?;
            desired.get(name).filter(|wanted| wanted.fingerprint == fingerprint)?;
            Some((name.clone(), GoodImage { fingerprint, id: container.image_id.clone() }))
        });
        let good = Good { version: Version::clone(target), images: images.collect() };
        self.save_good(&good);
        self.good = Some(good);
        self.history.good = Some(target.digest.clone());
        self.history.failed = None;
        self.save_history();
    }

    /// The version has failed: the last good one is the target from now on.
    pub(super) fn give_back(&mut self, failed: &Version, reason: &str) {
        let good = self.good.as_ref().map_or(0, |good| good.version.number);
        let reason =
            format!("{reason}; the modules of version {good} are back in place of version {}", failed.number);
        tracing::error!(version = failed.number, reason, "The update failed.");
        let at = self.options.clock.now();
        let (digest, version) = (failed.digest.clone(), failed.number);
        self.history.failed = Some(Failed { digest, version, reason: reason.clone(), at });
        self.save_history();
        self.conclude(500, reason);
        self.phase = Phase::Idle;
        self.look_soon();
    }

    /// What the twin says of the newest version.
    pub(super) fn conclude(&mut self, code: u16, description: String) {
        if self.refused.is_some() {
            return;
        }
        let Some(version) =
            self.twin.known().map(|known| known.0).or(self.version.as_ref().map(|v| v.number))
        else {
            return;
        };
        // A return that waits for something does not hide why there is a return.
        let failed = self.version.as_ref().filter(|newest| self.has_failed(newest));
        let description = match (&self.history.failed, failed) {
            (Some(failed), Some(_)) if description != failed.reason => failed.reason.clone(),
            _ => description,
        };
        self.last = Some(LastDesired { version, code, description });
    }
}

/// Why a module that should run is not well.
fn illness(container: &Container, policy: RestartPolicy, is_new: bool) -> Option<String> {
    if container.health == Some(Health::Unhealthy) {
        return Some("is unhealthy".to_owned());
    }
    let exit = container.exit.filter(|_| is_new);
    match (container.status(), exit) {
        (Status::Dead, _) => Some("is dead".to_owned()),
        (_, Some(exit)) if exit.code != 0 || policy == RestartPolicy::Always => {
            Some(format!("exited with code {} soon after its start", exit.code))
        }
        (Status::Failed, None) if policy != RestartPolicy::Never => Some("does not run".to_owned()),
        _ => None,
    }
}
