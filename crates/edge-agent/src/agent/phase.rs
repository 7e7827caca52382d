//! Where an update is.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use skerry_model::Timestamp;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::options::Pace;
use super::work::{Progress, Supplies};
use crate::report::Update;

pub(super) enum Phase {
    Idle,
    Fetching {
        digest: String,
        tries: u32,
        work: AbortHandle,
        progress: Progress,
    },
    Ready {
        digest: String,
        tries: u32,
        supplies: Arc<Supplies>,
    },
    Changing {
        digest: String,
        tries: u32,
        modules: BTreeSet<String>,
        began: Timestamp,
    },
    Watching {
        digest: String,
        fresh: BTreeSet<String>,
        began: Timestamp,
        since: Instant,
        /// The next time to look.
        next: Instant,
    },
    Waiting {
        digest: String,
        tries: u32,
        until: Instant,
        reason: String,
    },
    /// It is not tried again until something changes.
    GivenUp {
        digest: String,
    },
}

impl Phase {
    pub(super) fn digest(&self) -> Option<&str> {
        match self {
            Self::Idle => None,
            Self::Fetching { digest, .. }
            | Self::Ready { digest, .. }
            | Self::Changing { digest, .. }
            | Self::Watching { digest, .. }
            | Self::Waiting { digest, .. }
            | Self::GivenUp { digest } => Some(digest),
        }
    }

    /// Whether the update has its hands on a module.
    pub(super) fn is_changing(&self, module: &str) -> bool {
        matches!(self, Self::Changing { modules, .. } if modules.contains(module))
    }

    pub(super) fn watching(digest: String, fresh: BTreeSet<String>, began: Timestamp, pace: &Pace) -> Self {
        let since = Instant::now();
        Self::Watching { digest, fresh, began, since, next: since + pace.probation }
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        match self {
            Self::Watching { next, .. } => Some(*next),
            Self::Waiting { until, .. } => Some(*until),
            _ => None,
        }
    }

    pub(super) fn shown(&self, version: u64) -> Option<Update> {
        let (phase, text) = match self {
            Self::Idle | Self::Ready { .. } | Self::GivenUp { .. } => return None,
            Self::Fetching { progress, .. } => ("pulling", progress_text(progress)),
            Self::Changing { modules, .. } => {
                ("changing", modules.iter().cloned().collect::<Vec<_>>().join(", "))
            }
            Self::Watching { .. } => ("watching", "whether the changed modules keep running".to_owned()),
            Self::Waiting { reason, .. } => ("waiting", reason.clone()),
        };
        Some(Update { version, phase, text })
    }
}

/// In tenths, so that reports stay few.
fn progress_text(progress: &Progress) -> String {
    let pulls = progress.lock().unwrap_or_else(PoisonError::into_inner);
    let each: Vec<String> = pulls
        .iter()
        .map(|(module, pull)| {
            let tenths = (pull.bytes_done * 10).checked_div(pull.bytes).unwrap_or(0);
            format!("{module} {}0 %, {} of {} layers", tenths, pull.layers_done, pull.layers)
        })
        .collect();
    each.join("; ")
}
