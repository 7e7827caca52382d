//! Images that nobody needs are removed as `[image_garbage_collection]` says.

use std::future::Future;
use std::sync::Arc;

use skerry_edge_daemon::Handle;
use skerry_edge_daemon::config::Config;
use skerry_runtime::{Answer, Collector, CollectorOptions, EngineError, Keeps, Record, Schedule};

use crate::world::{MachineClock, local_offset};

/// Without an end; when it is switched off, nothing is removed.
pub fn collect(
    config: &Config,
    daemon: &Handle,
    agent: skerry_edge_agent::Handle,
    record: Record,
) -> impl Future<Output = ()> + Send + use<> {
    let wanted = config.image_collection;
    let keeps = AgentKeeps { agent, daemon: daemon.clone(), bootstrap: config.agent.image.clone() };
    let collector = Collector::new(CollectorOptions {
        runtime: daemon.runtime(),
        record,
        keeps: Arc::new(keeps),
        clock: Arc::new(MachineClock),
        offset: Box::new(local_offset),
        schedule: Schedule::new(wanted.recurrence, wanted.minute_of_day),
        age: wanted.age,
    });
    async move {
        if wanted.enabled {
            collector.run().await;
        }
    }
}

/// The set to which the device may go back, and the agent's own image.
struct AgentKeeps {
    agent: skerry_edge_agent::Handle,
    daemon: Handle,
    bootstrap: String,
}

impl Keeps for AgentKeeps {
    fn kept(&self) -> Answer<'_, Vec<String>, EngineError> {
        Box::pin(async {
            // The agent ends, and with it everything here.
            let Some(snapshot) = self.agent.snapshot().await else { return Err(EngineError::Early) };
            let bootstrap = self.daemon.runtime().image(&self.bootstrap).await?;
            Ok(snapshot.images.into_iter().chain(bootstrap).collect())
        })
    }
}
