//! What others may ask the agent in this process.

use std::collections::BTreeMap;
use std::sync::Arc;

use skerry_model::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::{Agent, Done};
use crate::metrics::{Common, Usage};
use crate::report::{LastDesired, Update};

/// Questions that may wait; who asks beyond that waits as well.
const COMMANDS_MAX: usize = 8;

#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

pub(super) enum Command {
    Snapshot(oneshot::Sender<Snapshot>),
    TryAgain(oneshot::Sender<bool>),
    Metrics(oneshot::Sender<String>),
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub last: Option<LastDesired>,
    pub update: Option<Update>,
    pub modules: Vec<ModuleView>,
    pub is_hub_there: bool,
    /// Why it is not there, where anything is known.
    pub hub_trouble: Option<String>,
    /// Of the last set that held, by their ids: the device may go back to them.
    pub images: Vec<String>,
    /// This machine's clock, where it is not the hub's.
    pub clock_trouble: Option<String>,
    /// The engine's failure, once it has lasted, or that something cannot be kept on disk.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleView {
    pub name: String,
    pub image: String,
    pub status: &'static str,
    pub started: Option<Timestamp>,
    pub restarts: u32,
    pub trouble: Option<String>,
}

pub(super) fn new() -> (Handle, mpsc::Receiver<Command>) {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    (Handle { commands }, inbox)
}

impl Handle {
    /// `None` when the agent has ended.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Snapshot(reply)).await.ok()?;
        answer.await.ok()
    }

    /// The figures, as Prometheus reads them.
    pub async fn metrics(&self) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Metrics(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Tries a failed or waiting version again; `false` where there is none.
    pub async fn try_again(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(Command::TryAgain(reply)).await;
        sent.is_ok() && answer.await.unwrap_or_default()
    }
}

impl Agent {
    pub(super) fn obey(&mut self, command: Command) {
        // Who does not wait any more is told nothing.
        match command {
            Command::Snapshot(reply) => drop(reply.send(self.snapshot())),
            Command::TryAgain(reply) => drop(reply.send(self.try_again())),
            Command::Metrics(reply) => self.measure(reply),
        }
    }

    fn measure(&mut self, reply: oneshot::Sender<String>) {
        let page = self.page();
        self.jobs.spawn(async move {
            drop(reply.send(page.await));
            Done::Nothing
        });
    }

    /// Asks machine and engine; what does not answer is left out.
    pub(super) fn page(&self) -> impl Future<Output = String> + Send + use<> {
        let metrics = Arc::clone(&self.metrics);
        let (runtime, host) = (Arc::clone(&self.options.runtime), Arc::clone(&self.options.host));
        let common = Common {
            hub_host: self.device.hub_host.clone(),
            device_id: self.device.device_id.clone(),
            instance: self.instance.clone(),
            version: self.options.version.clone(),
            host: format!("{} {}", self.platform.os, self.platform.architecture),
        };
        let containers = self.containers.iter().flatten();
        let running: Vec<String> = containers
            .filter(|(_, container)| container.pid.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        async move {
            let mut usages = BTreeMap::new();
            for name in running {
                if let Ok(stats) = runtime.stats(&name).await {
                    usages.insert(name, Usage::read(&stats));
                }
            }
            let host = host.figures().await.ok();
            metrics.page(&common, host.as_ref(), &usages)
        }
    }

    fn snapshot(&self) -> Snapshot {
        let target = self.target();
        let modules = target.iter().flat_map(|target| target.manifest.containers());
        let modules = modules.filter(|(name, _)| self.statuses.contains_key(*name)).map(|(name, module)| {
            let container = self.containers.as_ref().and_then(|containers| containers.get(name));
            ModuleView {
                name: name.to_owned(),
                image: module.image.to_string(),
                status: self.statuses.get(name).map_or("unknown", |status| status.as_str()),
                started: container.and_then(|container| container.started),
                restarts: self.history.modules.get(name).map_or(0, |record| record.restarts),
                trouble: self.troubles.get(name).cloned(),
            }
        });
        let trouble = self.engine_failure().map(ToString::to_string);
        Snapshot {
            last: self.last.clone(),
            update: self.update(),
            modules: modules.collect(),
            is_hub_there: self.reporter.is_up(),
            hub_trouble: self.line.reason.clone(),
            clock_trouble: self.clock_trouble(),
            images: self
                .good
                .iter()
                .flat_map(|good| good.images.values())
                .map(|image| image.id.clone())
                .collect(),
            trouble: trouble.or_else(|| self.keeper.failure.clone()),
        }
    }

    pub(super) fn try_again(&mut self) -> bool {
        let had_failed = self.history.failed.take().is_some();
        let waited = self.give_another_chance();
        if had_failed {
            self.save_history();
        }
        self.look_soon();
        had_failed || waited
    }
}
