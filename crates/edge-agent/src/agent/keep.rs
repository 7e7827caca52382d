//! What survives: the newest manifest that can be carried out, the last good one (both sealed), the
//! history, and how long modules ran.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::desired::{Good, Version};
use super::{Agent, AgentOptions, Done};
use crate::plan::History;

const MANIFEST: &str = "manifest.sealed";
const GOOD: &str = "good.sealed";
const HISTORY: &str = "history.json";
const AVAILABILITY: &str = "availability.json";

/// One save is on its way at a time; of what waits, only the newest of each file.
#[derive(Default)]
pub(super) struct Keeper {
    waiting: BTreeMap<&'static str, Vec<u8>>,
    is_busy: bool,
    /// When the availability was written last.
    checkpoint: Option<Instant>,
    /// Why the last save failed.
    pub(super) failure: Option<String>,
}

pub(super) struct Saved {
    failure: Option<String>,
}

impl Agent {
    pub(super) async fn load(&mut self) {
        if let Some(bytes) = read(&self.options, HISTORY, false).await {
            match History::parse(&bytes) {
                Ok(history) => self.history = history,
                Err(error) => {
                    tracing::error!(%error, "The history of modules cannot be read, and begins anew.");
                }
            }
        }
        if let Some(bytes) = read(&self.options, AVAILABILITY, false).await
            && !self.metrics.restore_availability(&bytes)
        {
            tracing::error!("How long modules ran cannot be read, and is counted anew.");
        }
        if let Some(bytes) = read(&self.options, GOOD, true).await {
            self.good = Good::from_bytes(&bytes);
        }
        if let Some(bytes) = read(&self.options, MANIFEST, true).await
            && let Some(version) = Version::from_bytes(&bytes)
        {
            self.take_version(version);
        }
        if let Some(version) = &self.version {
            tracing::info!(version = version.number, "The manifest of the last time is there.");
        }
    }

    pub(super) fn save_history(&mut self) {
        let bytes = self.history.bytes();
        self.save(HISTORY, bytes);
    }

    pub(super) fn save_version(&mut self) {
        if let Some(version) = &self.version {
            let bytes = version.bytes();
            self.save(MANIFEST, bytes);
        }
    }

    pub(super) fn save_good(&mut self, good: &Good) {
        self.save(GOOD, good.bytes());
    }

    /// Now and then; a disk of flash lives by its writes.
    pub(super) fn checkpoint(&mut self) {
        let is_due = self.keeper.checkpoint.is_none_or(|last| last.elapsed() >= self.options.pace.checkpoint);
        if is_due {
            self.save_availability();
        }
    }

    pub(super) fn save_availability(&mut self) {
        self.keeper.checkpoint = Some(Instant::now());
        let bytes = self.metrics.availability();
        self.save(AVAILABILITY, bytes);
    }

    fn save(&mut self, name: &'static str, bytes: Vec<u8>) {
        self.keeper.waiting.insert(name, bytes);
        self.save_next();
    }

    fn save_next(&mut self) {
        if self.keeper.is_busy {
            return;
        }
        let Some((name, bytes)) = self.keeper.waiting.pop_first() else { return };
        self.keeper.is_busy = true;
        let (shelf, sealer) = (Arc::clone(&self.options.shelf), Arc::clone(&self.options.sealer));
        self.jobs.spawn(async move {
            let is_plain = matches!(name, HISTORY | AVAILABILITY);
            let bytes = if is_plain { Ok(bytes) } else { sealer.seal(bytes).await };
            let failure = match bytes {
                Err(error) => Some(error.to_string()),
                Ok(bytes) => shelf.save(name, bytes).await.err().map(|error| error.to_string()),
            };
            Done::Saved(Saved { failure })
        });
    }

    pub(super) fn saved(&mut self, saved: Saved) {
        self.keeper.is_busy = false;
        if let Some(reason) = &saved.failure {
            tracing::error!(reason, "Something is not kept over restarts.");
        }
        self.keeper.failure = saved.failure;
        self.save_next();
    }

    /// Whether everything is written.
    pub(super) fn is_kept(&self) -> bool {
        !self.keeper.is_busy && self.keeper.waiting.is_empty()
    }
}

async fn read(options: &AgentOptions, name: &str, is_sealed: bool) -> Option<Vec<u8>> {
    let loaded = options.shelf.load(name).await;
    let bytes = loaded.unwrap_or_else(|error| {
        tracing::error!(%error, "What was kept cannot be read; going on without it.");
        None
    })?;
    if !is_sealed {
        return Some(bytes);
    }
    let opened = options.sealer.open(bytes).await;
    opened.map_err(|error| tracing::error!(%error, file = name, "What was kept cannot be read; going on without it.")).ok()
}
