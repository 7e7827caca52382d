//! What the hub wants, and what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_model::limits::REPORTED_BYTES_MAX;
use tokio::time::{Instant, timeout};

use super::desired::Version;
use super::phase::Phase;
use super::{Agent, Done};
use crate::link::{CallId, HubEvent, PatchOutcome};
use crate::manifest::{HUB, ManifestError};
use crate::methods;
use crate::plan::ModuleStatus;
use crate::report::{LastDesired, Picture, Row, Update, delta, section, trim};

#[derive(Default)]
pub(super) struct Reporter {
    /// What the hub has, as far as it was heard.
    known: Option<Map<String, Value>>,
    /// What is on its way.
    sent: Option<Map<String, Value>>,
    next: Option<Instant>,
    is_up: bool,
    /// Whether the twin is on its way.
    is_asked: bool,
    /// The newest version that was heard of and could not be taken.
    missed: u64,
    refusals: u32,
}

impl Reporter {
    pub(super) fn up() -> Self {
        Self { is_up: true, ..Self::default() }
    }

    pub(super) fn has_twin(&self) -> bool {
        self.known.is_some()
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.next.filter(|next| self.is_up && *next > Instant::now())
    }

    fn is_free(&self) -> bool {
        self.is_up && self.sent.is_none() && self.next.is_none_or(|next| next <= Instant::now())
    }
}

pub(super) struct Answered {
    call: CallId,
    reply: methods::Reply,
}

impl Agent {
    pub(super) fn twin_came(&mut self, desired: Map<String, Value>, reported: Map<String, Value>) {
        self.reporter.known = Some(reported);
        self.metrics.note_sync(true);
        self.next_refresh = Some(Instant::now() + self.options.pace.refresh);
        self.twin.replace(desired);
        self.reporter.is_asked = false;
        let missed = std::mem::take(&mut self.reporter.missed);
        if self.twin.known().is_some_and(|(version, _)| version < missed) {
            // A patch overtook the twin.
            self.ask_twin();
        }
        self.desired_changed();
    }

    pub(super) fn ask_twin(&mut self) {
        if self.reporter.is_up && !self.reporter.is_asked {
            self.reporter.is_asked = true;
            self.link.ask_twin();
        }
    }

    pub(super) fn patch_came(&mut self, version: u64, patch: &Map<String, Value>) {
        match self.twin.patch(version, patch) {
            PatchOutcome::Changed => self.desired_changed(),
            PatchOutcome::Known => {}
            PatchOutcome::Missed => {
                self.reporter.missed = self.reporter.missed.max(version);
                self.ask_twin();
            }
        }
    }

    fn desired_changed(&mut self) {
        let Some((number, properties)) = self.twin.known() else { return };
        match Version::read(number, properties) {
            Ok(version) => {
                self.refused = None;
                let is_same = self.version.as_ref().is_some_and(|known| known.digest == version.digest);
                if let Some(failed) = self.history.failed.as_ref().filter(|f| f.digest == version.digest) {
                    let description = failed.reason.clone();
                    self.last = Some(LastDesired { version: number, code: 500, description });
                }
                self.take_version(version);
                if !is_same {
                    tracing::info!(version = number, "The hub wants another version.");
                    self.save_version();
                    self.wanted_since = Some(Instant::now());
                }
            }
            Err(error) => self.refuse(number, error),
        }
        self.look_soon();
    }

    /// Modules stay as they are.
    fn refuse(&mut self, number: u64, error: ManifestError) {
        tracing::error!(version = number, %error, "The manifest is refused.");
        self.last = Some(LastDesired { version: number, code: error.code(), description: error.to_string() });
        self.refused = Some(error);
    }

    pub(super) fn update(&self) -> Option<Update> {
        let newest = self.version.as_ref()?;
        match &self.history.failed {
            Some(failed) if failed.digest == newest.digest && self.good.is_some() => {
                Some(Update { version: newest.number, phase: "returned", text: failed.reason.clone() })
            }
            _ => self.phase.shown(newest.number),
        }
    }

    /// A version that waits, or was given up, is tried at once.
    pub(super) fn give_another_chance(&mut self) -> bool {
        let waits = matches!(self.phase, Phase::Waiting { .. } | Phase::GivenUp { .. });
        if waits {
            self.phase = Phase::Idle;
        }
        waits
    }

    pub(super) fn report(&mut self) {
        if self.next_refresh.is_some_and(|next| next <= Instant::now()) {
            self.next_refresh = Some(Instant::now() + self.options.pace.refresh);
            self.ask_twin();
        }
        if !self.reporter.is_free() {
            return;
        }
        let Some(known) = &self.reporter.known else { return };
        let wanted = self.section(None);
        let patch = delta(known, &wanted);
        if patch.is_empty() {
            return;
        }
        self.link.report(&patch);
        self.reporter.sent = Some(wanted);
        self.reporter.next = Some(Instant::now() + self.options.pace.report);
    }

    pub(super) fn reported(&mut self, status: u16, text: &str) {
        let Some(sent) = self.reporter.sent.take() else { return };
        if (200..300).contains(&status) {
            self.reporter.known = Some(sent);
            self.reporter.refusals = 0;
            return;
        }
        tracing::error!(status, text, "The hub refuses the report.");
        let pause = self.options.pace.report_again.saturating_mul(1 << self.reporter.refusals.min(5));
        self.reporter.refusals = self.reporter.refusals.saturating_add(1);
        self.reporter.next = Some(Instant::now() + pause);
    }

    /// What is reported now. `ending` is what it says when the agent goes.
    fn section(&self, ending: Option<&LastDesired>) -> Map<String, Value> {
        let target = self.target();
        let mut rows = BTreeMap::new();
        for (name, module) in target.iter().flat_map(|target| target.manifest.containers()) {
            if self.options.is_hub_inside && name == HUB {
                continue;
            }
            let status = self.statuses.get(name).copied().unwrap_or(ModuleStatus::Unknown);
            let row = Row {
                module,
                container: self.containers.as_ref().and_then(|containers| containers.get(name)),
                status: if ending.is_some() { ModuleStatus::Unknown } else { status },
                record: self.history.modules.get(name),
                trouble: self.troubles.get(name).map(String::as_str),
            };
            rows.insert(name, row);
        }
        let newest = self.last.as_ref().map(|last| last.version);
        let newest = newest.or(self.version.as_ref().map(|version| version.number));
        let failure = self.engine_failure().zip(newest).map(|(error, version)| LastDesired {
            version,
            code: 500,
            description: error.to_string(),
        });
        let update = self.update();
        let clock = self.clock_trouble();
        let picture = Picture {
            version: &self.options.version,
            platform: &self.platform,
            last: ending.or(failure.as_ref()).or(self.last.as_ref()),
            manifest: target.as_ref().map(|target| &target.manifest),
            rows,
            started: self.started,
            is_hub_inside: self.options.is_hub_inside,
            update: update.as_ref(),
            clock: clock.as_deref(),
        };
        trim(section(&picture), REPORTED_BYTES_MAX)
    }

    /// Says that it goes, and lets everything be written.
    pub(super) async fn say_goodbye(mut self) {
        self.save_availability();
        let version = self.last.as_ref().map_or(0, |last| last.version);
        let (code, description) = LastDesired::GONE;
        let ending = LastDesired { version, code, description: description.to_owned() };
        let wanted = self.section(Some(&ending));
        let patch =
            self.reporter.known.as_ref().filter(|_| self.reporter.is_up).map(|known| delta(known, &wanted));
        let mut is_told = patch.as_ref().is_none_or(Map::is_empty);
        let limit = self.options.pace.goodbye;
        let goodbye = async {
            // A report that is on its way is answered first.
            let mut is_free = self.reporter.sent.is_none();
            let mut patch = patch.filter(|patch| !patch.is_empty());
            while !(is_told && self.is_kept()) {
                if is_free && let Some(patch) = patch.take() {
                    self.link.report(&patch);
                    is_free = false;
                }
                tokio::select! {
                    event = self.link.next(), if !is_told => match event {
                        HubEvent::Reported { .. } if patch.is_some() => is_free = true,
                        HubEvent::Reported { .. } | HubEvent::Down { .. } => is_told = true,
                        _ => {}
                    },
                    Some(done) = self.jobs.join_next() => if let Ok(Done::Saved(saved)) = done {
                        self.saved(saved);
                    },
                }
            }
        };
        if timeout(limit.max(Duration::from_millis(1)), goodbye).await.is_err() {
            tracing::warn!("Going without the last report.");
        }
    }

    pub(super) fn called(&mut self, call: CallId, name: &str, payload: Bytes) {
        let context = methods::Context {
            runtime: Arc::clone(&self.options.runtime),
            uploads: Arc::clone(&self.options.uploads),
            bundles: Arc::clone(&self.options.bundles),
            tasks: Arc::clone(&self.tasks),
            random: Arc::clone(&self.options.random),
            parent_host: self.device.parent_host.clone(),
            hub_host: self.device.hub_host.clone(),
            device_id: self.device.device_id.clone(),
            modules: self.containers.iter().flatten().map(|(name, _)| name.clone()).collect(),
            now: self.options.clock.now(),
        };
        let known = methods::counted_as(name);
        self.metrics.note_method(known);
        if known == methods::RETRY {
            let version = self.version.as_ref().map(|version| version.number);
            let body = json!({"retried": self.try_again(), "version": version});
            return self.link.answer(&call, 200, Bytes::from(body.to_string()));
        }
        let name = name.to_owned();
        self.jobs.spawn(async move {
            let reply = methods::handle(&context, &name, &payload).await;
            Done::Answered(Answered { call, reply })
        });
    }

    pub(super) fn answered(&mut self, answered: Answered) {
        let methods::Reply { status, payload, restarted, work } = answered.reply;
        self.link.answer(&answered.call, status, payload);
        if let Some(work) = work {
            self.jobs.spawn(async {
                work.await;
                Done::Nothing
            });
        }
        if let Some(module) = restarted {
            // An operator's restart gives a module all its tries back.
            self.history.settle(&module);
            self.save_history();
            self.look_soon();
        }
    }
}
