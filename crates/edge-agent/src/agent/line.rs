//! The line comes and goes, and a hub that does not let us in any more is told to the daemon.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::Agent;
use super::hub::Reporter;

/// More of them say nothing new.
const REASONS_MAX: usize = 8;

#[derive(Default)]
pub(super) struct LineState {
    /// Why there is no connection.
    pub(super) reason: Option<String>,
    /// What was told since there was one.
    told: BTreeSet<String>,
    /// Since when the hub refuses us, whenever it is there.
    refused_since: Option<Instant>,
    /// Once in a life is enough.
    is_asked: bool,
}

impl Agent {
    pub(super) fn line_up(&mut self) {
        if !self.reporter.is_up() {
            tracing::info!("Connected to the hub.");
        }
        (self.line.reason, self.line.refused_since) = (None, None);
        self.line.told.clear();
        self.reporter = Reporter::up();
        self.send_again();
        self.ask_twin();
    }

    pub(super) fn line_down(&mut self, reason: String, is_refused: bool) {
        if !self.reporter.has_twin() {
            self.metrics.note_sync(false);
        }
        // What stays as it is for hours is told once, and so is each of the ways that fail in turn.
        if self.line.told.len() < REASONS_MAX && self.line.told.insert(reason.clone()) {
            tracing::warn!(reason, "The hub is out of reach; modules run on.");
        }
        self.line.reason = Some(reason);
        self.reporter = Reporter::default();
        self.send_again();
        if is_refused {
            self.refused_at_the_door();
        }
    }

    fn send_again(&mut self) {
        if let Some(quality) = &mut self.quality {
            quality.line_changed();
        }
    }

    /// A hub that is set up or restored refuses for a while; one that goes on knows us no longer.
    fn refused_at_the_door(&mut self) {
        let since = *self.line.refused_since.get_or_insert_with(Instant::now);
        // Where the clock is wrong, the credential need not be.
        let is_sure = self.clock_apart.is_none() && since.elapsed() >= self.options.pace.refused;
        if is_sure && !self.line.is_asked {
            self.line.is_asked = true;
            tracing::error!("The hub does not let this device in any more; it is to be provisioned anew.");
            self.options.provisioning.refused();
        }
    }
}
