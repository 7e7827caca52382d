//! The steps of an update, in order.

use std::collections::BTreeMap;
use std::fmt;

use super::{Situation, Wanted};
use crate::manifest::{DesiredStatus, PullPolicy};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Pull(String),
    Stop(String),
    Remove(String),
    Create(String),
    Start(String),
    /// Starts again what has ended or fell ill, and counts it.
    Restart(String),
    /// Has run well for long: its restarts are forgotten.
    Settle(String),
}

impl Step {
    pub fn module(&self) -> &str {
        match self {
            Self::Pull(name)
            | Self::Stop(name)
            | Self::Remove(name)
            | Self::Create(name)
            | Self::Start(name)
            | Self::Restart(name)
            | Self::Settle(name) => name,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Self::Pull(_) => "pull",
            Self::Stop(_) => "stop",
            Self::Remove(_) => "remove",
            Self::Create(_) => "create",
            Self::Start(_) => "start",
            Self::Restart(_) => "restart",
            Self::Settle(_) => "settle",
        };
        write!(f, "{verb} {}", self.module())
    }
}

/// Names by startup order, and by name where that is the same.
pub(super) fn by_order(desired: &BTreeMap<String, Wanted>) -> Vec<&String> {
    let mut names: Vec<&String> = desired.keys().collect();
    // The sort is stable, and the names are sorted already.
    names.sort_by_key(|name| desired[*name].order);
    names
}

pub(super) fn update(situation: &Situation<'_>) -> Vec<Step> {
    let Situation { current, desired, .. } = situation;
    let names = by_order(desired);
    let is_added = |name: &&&String| !current.contains_key(**name);
    let is_updated = |name: &&&String| {
        current
            .get(**name)
            .is_some_and(|seen| seen.fingerprint.as_ref() != Some(&desired[**name].fingerprint))
    };
    let changed = || names.iter().filter(|name| is_added(name) || is_updated(name));
    let mut steps: Vec<Step> = changed()
        .filter(|name| desired[**name].pull == PullPolicy::OnCreate)
        .map(|name| Step::Pull((*name).clone()))
        .collect();
    let removed: Vec<&String> = current.keys().filter(|name| !desired.contains_key(*name)).collect();
    steps.extend(removed.iter().map(|name| Step::Stop((*name).clone())));
    steps.extend(removed.iter().map(|name| Step::Remove((*name).clone())));
    for group in changed().map(|name| desired[*name].order).collect::<std::collections::BTreeSet<_>>() {
        let in_group = |name: &&&String| desired[**name].order == group;
        let added = names.iter().filter(is_added).filter(in_group);
        let updated = names.iter().filter(is_updated).filter(in_group);
        for (name, is_new) in added.map(|name| (name, true)).chain(updated.map(|name| (name, false))) {
            let name = (*name).clone();
            if !is_new {
                steps.extend([Step::Stop(name.clone()), Step::Remove(name.clone())]);
            }
            steps.push(Step::Create(name.clone()));
            if desired[&name].status == DesiredStatus::Running {
                steps.push(Step::Start(name));
            }
        }
    }
    steps
}
