//! What is to be done, as a pure function of what there is, what there should be, and what happened
//! before.
//!
//! A plan has two halves. The **update** brings new modules and changed ones, and takes those away
//! that nobody wants: first every image, then everything else in the order of `startupOrder`.
//! The **care** keeps what is there in its state: it starts what has ended, and stops what should not
//! run. Whoever carries plans out does so with both at once, so that a slow pull delays no restart.

mod history;
mod judge;
mod steps;

pub use history::{Failed, History, HistoryError, Record};
pub use judge::{Limits, ModuleStatus};
pub use steps::Step;

use std::collections::BTreeMap;

use skerry_model::Timestamp;
use skerry_runtime::{Container, Exit, Health, Status};

use crate::container::FINGERPRINT_LABEL;
use crate::manifest::{DesiredStatus, PullPolicy, RestartPolicy};
use judge::Verdict;

/// A module as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub status: DesiredStatus,
    pub policy: RestartPolicy,
    pub pull: PullPolicy,
    pub order: u32,
    pub fingerprint: String,
}

/// A container as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: Status,
    pub health: Option<Health>,
    pub fingerprint: Option<String>,
    pub started: Option<Timestamp>,
    pub exit: Option<Exit>,
}

impl From<&Container> for Seen {
    fn from(container: &Container) -> Self {
        Self {
            status: container.status(),
            health: container.health,
            fingerprint: container.labels.get(FINGERPRINT_LABEL).cloned(),
            started: container.started,
            exit: container.exit,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub current: &'a BTreeMap<String, Seen>,
    pub desired: &'a BTreeMap<String, Wanted>,
    pub history: &'a History,
    pub limits: &'a Limits,
    pub now: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub update: Vec<Step>,
    pub care: Vec<Step>,
    /// When the next restart is due.
    pub wake: Option<Timestamp>,
    /// What the twin says of each module.
    pub statuses: BTreeMap<String, ModuleStatus>,
}

pub fn plan(situation: &Situation<'_>) -> Plan {
    let mut plan = Plan { update: steps::update(situation), ..Plan::default() };
    for name in steps::by_order(situation.desired) {
        let wanted = &situation.desired[name];
        let Some(seen) = situation.current.get(name) else {
            plan.statuses.insert(name.clone(), ModuleStatus::Unknown);
            continue;
        };
        let record = situation.history.modules.get(name);
        let (verdict, status) = judge::judge(wanted, seen, record, situation.now, situation.limits);
        plan.statuses.insert(name.clone(), status);
        let name = name.clone();
        match verdict {
            Verdict::Rest => {}
            Verdict::Settle => plan.care.push(Step::Settle(name)),
            Verdict::Start => plan.care.push(Step::Start(name)),
            Verdict::Stop => plan.care.push(Step::Stop(name)),
            Verdict::Restart => plan.care.push(Step::Restart(name)),
            Verdict::Rebuild => {
                let steps = [Step::Remove(name.clone()), Step::Create(name.clone()), Step::Start(name)];
                plan.care.extend(steps);
            }
            Verdict::Wait { until } => {
                plan.wake = Some(plan.wake.map_or(until, |wake| wake.min(until)));
            }
        }
    }
    plan
}
