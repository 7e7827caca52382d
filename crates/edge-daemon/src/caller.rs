//! Who may ask what: decided by the process at the other end of the socket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use skerry_model::ModuleId;
use skerry_runtime::Runtime;

use crate::api::{Peer, Problem};

/// The container of the agent.
pub const AGENT_CONTAINER: &str = "edgeAgent";

pub type Pids<'a> = Pin<Box<dyn Future<Output = Option<Vec<u32>>> + Send + 'a>>;

/// Tells which processes a container has.
pub trait Processes: Send + Sync + 'static {
    /// As the machine counts them; `None` when there is no such container, or nobody can tell.
    fn of<'a>(&'a self, container: &'a str) -> Pids<'a>;
}

/// The container engine knows.
pub(crate) struct EngineProcesses(pub Arc<dyn Runtime>);

impl Processes for EngineProcesses {
    fn of<'a>(&'a self, container: &'a str) -> Pids<'a> {
        Box::pin(async move {
            let found = self.0.processes(container).await;
            found.map_err(|error| tracing::debug!(%error, container, "No processes are known.")).ok()
        })
    }
}

/// Checks callers.
#[derive(Clone)]
pub(crate) struct Callers {
    processes: Arc<dyn Processes>,
    /// Our own process: the agent and the hub that are built in.
    own_pid: u32,
    owners: Vec<u32>,
}

impl Callers {
    pub(crate) fn new(processes: Arc<dyn Processes>, own_pid: u32, owners: Vec<u32>) -> Self {
        Self { processes, own_pid, owners }
    }

    /// The machine's owner, ourselves, or the agent in its container.
    pub(crate) async fn check_agent(&self, peer: Peer) -> Result<(), Problem> {
        let pid = peer.pid.ok_or_else(Problem::not_found)?;
        if self.is_local(peer) || self.is_in(AGENT_CONTAINER, pid).await {
            return Ok(());
        }
        Err(Problem::forbidden())
    }

    /// A process of the module's own container; for the system modules also ourselves.
    pub(crate) async fn check_module(&self, peer: Peer, module: &ModuleId) -> Result<(), Problem> {
        let pid = peer.pid.ok_or_else(Problem::not_found)?;
        let is_built_in = module.is_system() && pid == self.own_pid;
        if is_built_in || self.is_in(container_of(module), pid).await {
            return Ok(());
        }
        Err(Problem::forbidden())
    }

    /// A user who owns this machine, or at least the daemon.
    pub(crate) fn is_local(&self, peer: Peer) -> bool {
        self.owners.contains(&peer.uid)
    }

    async fn is_in(&self, container: &str, pid: u32) -> bool {
        self.processes.of(container).await.is_some_and(|pids| pids.contains(&pid))
    }
}

/// The name of a module's container.
pub(crate) fn container_of(module: &ModuleId) -> &str {
    module.as_str().strip_prefix('$').unwrap_or(module.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Processes for Fixed {
        fn of<'a>(&'a self, container: &'a str) -> Pids<'a> {
            let found = match container {
                "edgeAgent" => Some(vec![10]),
                "sensor" => Some(vec![20, 21]),
                _ => None,
            };
            Box::pin(async move { found })
        }
    }

    fn peer(uid: u32, pid: Option<u32>) -> Peer {
        Peer { uid, pid }
    }

    #[tokio::test]
    async fn callers_are_known_by_user_or_process() {
        let callers = Callers::new(Arc::new(Fixed), 7, vec![0, 900]);
        for (peer, status) in [
            (peer(0, Some(1)), None),
            (peer(900, Some(1)), None),
            (peer(1, Some(10)), None),
            (peer(1, Some(20)), Some(403)),
            (peer(0, None), Some(404)),
        ] {
            let found = callers.check_agent(peer).await.err().map(|problem| problem.status);
            assert_eq!(found, status, "{peer:?}");
        }
        for (peer, module, status) in [
            (peer(1, Some(21)), "sensor", None),
            (peer(0, Some(1)), "sensor", Some(403)),
            (peer(1, Some(10)), "$edgeAgent", None),
            (peer(1, Some(10)), "edgeAgent", None),
            (peer(1, Some(7)), "$edgeHub", None),
            (peer(1, Some(7)), "sensor", Some(403)),
            (peer(1, Some(20)), "$edgeHub", Some(403)),
            (peer(1, Some(20)), "absent", Some(403)),
            (peer(1, None), "sensor", Some(404)),
        ] {
            let found = callers.check_module(peer, &module.parse().unwrap()).await;
            assert_eq!(found.err().map(|problem| problem.status), status, "{peer:?} {module}");
        }
    }
}
