//! One container: whether it is as it should be, and if not, what helps and when.
//!
//! ```text
//!                 never   on-failure   on-unhealthy   always
//! never started   start   start        start          start
//! ended with 0    -       restart      restart        restart     (without an end to it)
//! failed          -       restart      restart        restart     (up to the budget)
//! unhealthy       -       -            restart        restart     (up to the budget)
//! ```
//!
//! A restart waits `unit × 2^restarts` after the end, at most `wait_max`. Where the clock says that the
//! end is still to come, it was set back, and nothing is waited for. Ten minutes without an end
//! forget the count. The original starts what ended with 0 again at once and for ever; here it waits
//! like everything else, and is not given up either.

use std::time::Duration;

use skerry_model::Timestamp;
use skerry_runtime::{Health, Status};

use super::{Record, Seen, Wanted};
use crate::manifest::{DesiredStatus, RestartPolicy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub unit: Duration,
    pub wait_max: Duration,
    /// `None`: restarts without an end.
    pub restarts_max: Option<u32>,
    /// Who runs for so long is well.
    pub well_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unit: Duration::from_secs(10),
            wait_max: Duration::from_secs(300),
            restarts_max: Some(20),
            well_after: Duration::from_secs(600),
        }
    }
}

/// The words of the reported twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleStatus {
    Running,
    Stopped,
    Failed,
    Dead,
    Backoff,
    Unhealthy,
    Unknown,
}

impl ModuleStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Backoff => "backoff",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Rest,
    Settle,
    Start,
    Stop,
    Restart,
    /// The engine cannot do anything with it any more.
    Rebuild,
    Wait {
        until: Timestamp,
    },
}

pub(super) fn judge(
    wanted: &Wanted,
    seen: &Seen,
    record: Option<&Record>,
    now: Timestamp,
    limits: &Limits,
) -> (Verdict, ModuleStatus) {
    let is_up = seen.status == Status::Running;
    let is_sick = is_up && seen.health == Some(Health::Unhealthy);
    let status = match seen.status {
        Status::Running if is_sick => ModuleStatus::Unhealthy,
        Status::Running => ModuleStatus::Running,
        Status::Stopped => ModuleStatus::Stopped,
        Status::Failed => ModuleStatus::Failed,
        Status::Dead => ModuleStatus::Dead,
        Status::Unknown => ModuleStatus::Unknown,
    };
    if seen.status == Status::Dead {
        return (Verdict::Rebuild, status);
    }
    if wanted.status == DesiredStatus::Stopped {
        return (if is_up { Verdict::Stop } else { Verdict::Rest }, status);
    }
    let restarts = record.map_or(0, |record| record.restarts);
    if is_up && !is_sick {
        let is_well = seen.started.is_some_and(|started| now.since(started) > limits.well_after);
        return (if is_well && restarts > 0 { Verdict::Settle } else { Verdict::Rest }, status);
    }
    let was_stopped_by_wish = record.is_some_and(|record| record.desired == DesiredStatus::Stopped);
    let is_new = seen.started.is_none() && restarts == 0;
    if !is_up && (is_new || was_stopped_by_wish) {
        return (Verdict::Start, status);
    }
    let is_restarted = match wanted.policy {
        RestartPolicy::Never => seen.started.is_none(),
        RestartPolicy::OnFailure => !is_sick,
        RestartPolicy::OnUnhealthy | RestartPolicy::Always => true,
    };
    if !is_restarted {
        return (Verdict::Rest, status);
    }
    let is_clean = seen.status == Status::Stopped && seen.started.is_some();
    if !is_clean && limits.restarts_max.is_some_and(|max| restarts >= max) {
        return (Verdict::Rest, if is_sick { ModuleStatus::Unhealthy } else { ModuleStatus::Failed });
    }
    let since = if is_sick { seen.started } else { seen.exit.map(|exit| exit.at) };
    let since = since.or(record.and_then(|record| record.last));
    let due = since.map(|since| since.plus(wait(restarts, limits)));
    match (since, due) {
        // The clock was set back behind the end.
        (Some(since), Some(until)) if now >= since && now < until => {
            (Verdict::Wait { until }, ModuleStatus::Backoff)
        }
        _ => (Verdict::Restart, ModuleStatus::Backoff),
    }
}

fn wait(restarts: u32, limits: &Limits) -> Duration {
    let times = 1_u32.checked_shl(restarts).unwrap_or(u32::MAX);
    limits.unit.saturating_mul(times).min(limits.wait_max)
}
