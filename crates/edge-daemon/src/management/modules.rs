//! `/modules` and what is done with one module.

use std::sync::Arc;

use serde_json::json;
use skerry_runtime::{CreateError, EngineError, PullError, Runtime};

use super::Shared;
use super::details::{details, part_details};
use super::spec::ModuleSpec;
use crate::api::{Call, Problem, Reply};
use crate::caller::AGENT_CONTAINER;
use crate::parts::Parts;
use crate::sockets::SocketError;

/// Every container of ours, and what lives in this process, on either API.
pub(crate) async fn list_modules(runtime: &dyn Runtime, parts: &Parts) -> Result<Reply, Problem> {
    let containers = runtime.list().await.map_err(engine)?;
    let others = containers.iter().filter(|container| parts.find(&container.name).is_none());
    let modules: Vec<_> = parts.iter().map(|part| part_details(part)).chain(others.map(details)).collect();
    Ok(Reply::json(200, &json!({ "modules": modules })))
}

impl Shared {
    pub(super) async fn show_module(&self, name: &str) -> Result<Reply, Problem> {
        if let Some(part) = self.parts.find(name) {
            return Ok(Reply::json(200, &part_details(part)));
        }
        let container = self.runtime.inspect(name).await.map_err(engine)?;
        Ok(Reply::json(200, &details(&container)))
    }

    pub(super) async fn create_module(&self, call: &Call) -> Result<Reply, Problem> {
        let spec = ModuleSpec::read(call)?;
        self.pull(&spec).await?;
        self.make(&spec).await?;
        Ok(Reply::json(201, &spec.echo("stopped")))
    }

    /// The container has to be there already. The image is fetched first, so that nothing stands still for it.
    pub(super) async fn update_module(self: &Arc<Self>, call: &Call, name: &str) -> Result<Reply, Problem> {
        let starts = call.flag("start")?.unwrap_or(false);
        let spec = ModuleSpec::read(call)?;
        if spec.name != name {
            return Err(Problem::parameter("name"));
        }
        self.runtime.inspect(name).await.map_err(engine)?;
        let echo = Reply::json(201, &spec.echo(if starts { "running" } else { "stopped" }));
        if name == AGENT_CONTAINER {
            // It asks for its own end: the answer goes out first.
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(problem) = shared.replace(&spec, starts).await {
                    tracing::error!(reason = problem.message, "The agent could not be replaced.");
                }
            });
            return Ok(echo);
        }
        // Whoever asked may go away in the middle, and must not leave half of it.
        let shared = Arc::clone(self);
        let replaced = tokio::spawn(async move { shared.replace(&spec, starts).await }).await;
        replaced.map_err(|_| Problem::new(500, "the work broke off, see the daemon's log"))??;
        Ok(echo)
    }

    async fn replace(&self, spec: &ModuleSpec, starts: bool) -> Result<(), Problem> {
        self.pull(spec).await?;
        self.runtime.stop(&spec.name, None).await.map_err(engine)?;
        self.runtime.remove(&spec.name).await.map_err(engine)?;
        self.make(spec).await?;
        if starts && let Err(error) = self.runtime.start(&spec.name).await {
            tracing::warn!(%error, module = spec.name, "The module was replaced but does not start.");
        }
        Ok(())
    }

    pub(super) async fn delete_module(&self, name: &str) -> Result<Reply, Problem> {
        self.runtime.remove(name).await.map_err(|error| Problem::of(500, &error))?;
        self.sockets.close(name).map_err(|error| socket(&error))?;
        Ok(Reply::empty())
    }

    pub(super) async fn prepare_update(&self, call: &Call, name: &str) -> Result<Reply, Problem> {
        let spec = ModuleSpec::read(call)?;
        if spec.name != name {
            return Err(Problem::parameter("name"));
        }
        self.pull(&spec).await?;
        Ok(Reply::empty())
    }

    pub(super) async fn start_module(&self, name: &str) -> Result<Reply, Problem> {
        if let Some(part) = self.parts.find(name) {
            part.start().await;
            return Ok(Reply::empty());
        }
        self.open_socket(name).await?;
        self.runtime.start(name).await.map_err(engine)?;
        Ok(Reply::empty())
    }

    pub(super) async fn stop_module(&self, name: &str) -> Result<Reply, Problem> {
        if let Some(part) = self.parts.find(name) {
            part.stop().await;
            return Ok(Reply::empty());
        }
        self.runtime.stop(name, None).await.map_err(engine)?;
        Ok(Reply::empty())
    }

    pub(super) async fn restart_module(&self, name: &str) -> Result<Reply, Problem> {
        if let Some(part) = self.parts.find(name) {
            part.restart();
            return Ok(Reply::empty());
        }
        self.runtime.restart(name).await.map_err(engine)?;
        Ok(Reply::empty())
    }

    async fn pull(&self, spec: &ModuleSpec) -> Result<(), Problem> {
        if spec.pulls()? {
            let progress = |_| {};
            let pulled = self.runtime.pull(&spec.pull_request(), &progress).await;
            pulled.map_err(|error: PullError| Problem::of(error.status(), &error))?;
        }
        Ok(())
    }

    /// The socket is there before the container, or the engine would make a directory in its place.
    async fn make(&self, spec: &ModuleSpec) -> Result<(), Problem> {
        let request = spec.create_request(&self.sockets);
        self.sockets.open(&spec.name).map_err(|error| socket(&error))?;
        let made = self.runtime.create(&request).await;
        made.map_err(|error: CreateError| Problem::of(error.status(), &error))
    }

    /// Only for containers that are there: a name alone opens nothing.
    async fn open_socket(&self, name: &str) -> Result<(), Problem> {
        self.runtime.inspect(name).await.map_err(engine)?;
        self.sockets.open(name).map_err(|error| socket(&error))?;
        Ok(())
    }
}

/// The engine's own status, where it has one.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(super) fn engine(error: EngineError) -> Problem {
    Problem::of(error.status(), &error)
}

fn socket(error: &SocketError) -> Problem {
    let status = if matches!(error, SocketError::Name { .. }) { 400 } else { 500 };
    Problem::of(status, error)
}
