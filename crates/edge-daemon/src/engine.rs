//! The container engine, with a workload socket for every container that is made: for an agent in the same
//! process, which speaks to the engine itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use skerry_runtime::{
    Answer, Container, CreateError, CreateRequest, EngineError, EngineInfo, Events, LogQuery, LogStream,
    NetworkOptions, OnProgress, PullError, PullRequest, Runtime,
};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::parts::Parts;
use crate::sockets::ModuleSockets;

/// Who asks for containers before they are taken over waits so long.
const ADOPTION_PATIENCE: Duration = Duration::from_secs(2);

/// A socket is open before its container exists, and closed once it is removed. What lives in this process
/// is asked for its logs and restarted like a container, and never listed as one. Everything else is the engine's.
pub(crate) struct WithSockets {
    pub(crate) engine: Arc<dyn Runtime>,
    pub(crate) sockets: ModuleSockets,
    pub(crate) parts: Parts,
    /// Until then nobody sees containers, so that nobody plans with those of another device.
    pub(crate) adopted: watch::Receiver<bool>,
}

impl Runtime for WithSockets {
    fn create<'a>(&'a self, request: &'a CreateRequest) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            if let Err(error) = self.sockets.open(&request.name) {
                let text = format!("its workload socket cannot be opened: {error}");
                return Err(CreateError::Refused { name: request.name.clone(), status: 500, text });
            }
            self.engine.create(request).await
        })
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            // It may have been closed by a remove that failed; the engine says whether there is such a container.
            if self.engine.inspect(name).await.is_ok()
                && let Err(error) = self.sockets.open(name)
            {
                tracing::error!(%error, module = name, "The module starts without its workload API.");
            }
            self.engine.start(name).await
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.engine.remove(name).await?;
            if let Err(error) = self.sockets.close(name) {
                tracing::debug!(%error, module = name, "The container had no socket.");
            }
            Ok(())
        })
    }

    fn list(&self) -> Answer<'_, Vec<Container>, EngineError> {
        Box::pin(async {
            let mut adopted = self.adopted.clone();
            if !*adopted.borrow() {
                // An engine that is down is told as such.
                self.engine.list().await?;
                // Mostly it is a matter of milliseconds, and whoever is sent away comes back seconds later.
                let waited = timeout(ADOPTION_PATIENCE, adopted.wait_for(|is_done| *is_done)).await;
                if !matches!(waited, Ok(Ok(_))) {
                    return Err(EngineError::Early);
                }
            }
            self.engine.list().await
        })
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, Container, EngineError> {
        self.engine.inspect(name)
    }

    fn document<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        self.engine.document(name)
    }

    fn pull<'a>(
        &'a self,
        request: &'a PullRequest,
        progress: OnProgress<'a>,
    ) -> Answer<'a, String, PullError> {
        self.engine.pull(request, progress)
    }

    fn image<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<String>, EngineError> {
        self.engine.image(reference)
    }

    fn remove_image<'a>(&'a self, id: &'a str) -> Answer<'a, (), EngineError> {
        self.engine.remove_image(id)
    }

    fn stop<'a>(&'a self, name: &'a str, grace: Option<Duration>) -> Answer<'a, (), EngineError> {
        self.engine.stop(name, grace)
    }

    fn restart<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        match self.parts.find(name) {
            Some(part) => {
                part.restart();
                Box::pin(std::future::ready(Ok(())))
            }
            None => self.engine.restart(name),
        }
    }

    fn logs<'a>(&'a self, name: &'a str, query: &'a LogQuery) -> Answer<'a, LogStream, EngineError> {
        match self.parts.find(name) {
            Some(part) => Box::pin(std::future::ready(Ok(part.logs(query)))),
            None => self.engine.logs(name, query),
        }
    }

    fn stats<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        self.engine.stats(name)
    }

    fn processes<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u32>, EngineError> {
        self.engine.processes(name)
    }

    fn ensure_network<'a>(&'a self, options: &'a NetworkOptions) -> Answer<'a, (), EngineError> {
        self.engine.ensure_network(options)
    }

    fn networks(&self) -> Answer<'_, Vec<Value>, EngineError> {
        self.engine.networks()
    }

    fn info(&self) -> Answer<'_, EngineInfo, EngineError> {
        self.engine.info()
    }

    fn events(&self) -> Answer<'_, Events, EngineError> {
        self.engine.events()
    }
}
