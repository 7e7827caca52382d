//! Containers that exist in memory only, for tests: they start, end and fall ill as told.

mod behaviour;
mod machine;
mod reads;
mod state;

pub use behaviour::Behaviour;
pub use machine::Machine;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use skerry_model::Clock;

use crate::{
    Answer, Container, CreateError, CreateRequest, CreateRules, EngineError, EngineInfo, Events, LogQuery,
    LogStream, NetworkOptions, OnProgress, PullError, PullProgress, PullRequest, Runtime,
};
use state::{Image, Shared};

/// The engine; [`MemoryRuntime::machine`] is the hand that plays with it.
pub struct MemoryRuntime {
    shared: Arc<Shared>,
    rules: CreateRules,
}

/// Who keeps logs on this engine.
const LOG_DRIVER: &str = "json-file";

impl MemoryRuntime {
    pub fn new(clock: Arc<dyn Clock>, rules: CreateRules) -> Self {
        Self { shared: Arc::new(Shared::new(clock)), rules }
    }

    pub fn machine(&self) -> Machine {
        Machine::new(Arc::clone(&self.shared))
    }

    /// Does a quick call, where the engine is up.
    fn call<R: Send>(
        &self,
        work: impl FnOnce(&mut state::State) -> Result<R, EngineError> + Send,
    ) -> Result<R, EngineError> {
        self.shared.change(|state| {
            state.check_up()?;
            work(state)
        })
    }
}

impl MemoryRuntime {
    /// One that ends by itself does so in time, whether somebody looks or not.
    fn wait_for_end(&self, name: &str) {
        let after = self.shared.change(|state| state.entry(name).ok().and_then(state::Entry::ends_after));
        if let Some(after) = after {
            let shared = Arc::downgrade(&self.shared);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                if let Some(shared) = shared.upgrade() {
                    shared.pass_time();
                }
            });
        }
    }
}

impl Runtime for MemoryRuntime {
    fn list(&self) -> Answer<'_, Vec<Container>, EngineError> {
        Box::pin(async {
            self.shared.change(|state| state.lists += 1);
            self.call(|state| Ok(state.list()))
        })
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, Container, EngineError> {
        Box::pin(async { self.call(|state| Ok(state.entry(name)?.seen(name))) })
    }

    fn document<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        Box::pin(async { self.call(|state| Ok(state.entry(name)?.document(name))) })
    }

    fn pull<'a>(
        &'a self,
        request: &'a PullRequest,
        progress: OnProgress<'a>,
    ) -> Answer<'a, String, PullError> {
        Box::pin(async move {
            let (takes, bytes) = self.shared.change(|state| {
                state.note(format!("pull {}", request.image));
                state.check_up()?;
                state.check_pull(request)?;
                Ok::<_, PullError>((state.pull_takes, 1000))
            })?;
            let half = PullProgress { layers: 1, layers_done: 0, bytes, bytes_done: bytes / 2 };
            tokio::time::sleep(takes / 2).await;
            progress(half);
            tokio::time::sleep(takes - takes / 2).await;
            let id = self.shared.change(|state| {
                // It may have gone away, or the disk may have filled, while bytes came.
                state.check_up()?;
                state.check_pull(request)?;
                Ok::<_, PullError>(state.keep_image(&request.image))
            })?;
            progress(PullProgress { layers_done: 1, bytes_done: bytes, ..half });
            Ok(id)
        })
    }

    fn image<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<String>, EngineError> {
        Box::pin(async move { self.call(|state| Ok(state.image(reference).map(|image| image.id.clone()))) })
    }

    fn remove_image<'a>(&'a self, id: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move { self.call(|state| state.remove_image(id)) })
    }

    fn create<'a>(&'a self, request: &'a CreateRequest) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let body = request.body(&self.rules, LOG_DRIVER)?;
            self.shared.change(|state| {
                state.note(format!("create {}", request.name));
                state.check_up()?;
                state.create(request, body)
            })
        })
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.call(|state| {
                state.note(format!("start {name}"));
                state.start(name)
            })?;
            self.wait_for_end(name);
            Ok(())
        })
    }

    fn stop<'a>(&'a self, name: &'a str, _grace: Option<Duration>) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let takes = self.call(|state| {
                state.note(format!("stop {name}"));
                state.stop(name)?;
                Ok(state.stop_takes)
            })?;
            tokio::time::sleep(takes).await;
            Ok(())
        })
    }

    fn restart<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.call(|state| {
                state.note(format!("restart {name}"));
                state.stop(name)?;
                state.start(name)
            })?;
            self.wait_for_end(name);
            Ok(())
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.call(|state| {
                state.note(format!("remove {name}"));
                state.remove(name);
                Ok(())
            })
        })
    }

    fn logs<'a>(&'a self, name: &'a str, query: &'a LogQuery) -> Answer<'a, LogStream, EngineError> {
        Box::pin(async move { reads::logs(&self.shared, name, query) })
    }

    fn stats<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        Box::pin(async move { self.call(|state| state.entry(name)?.stats(name)) })
    }

    fn processes<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u32>, EngineError> {
        Box::pin(async move {
            self.call(|state| {
                let running = state.entry(name)?.pid();
                let text = format!("container {name} is not running");
                running.map(|pid| vec![pid]).ok_or(EngineError::Conflict { text })
            })
        })
    }

    fn ensure_network<'a>(&'a self, options: &'a NetworkOptions) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.call(|state| {
                state.networks.insert(options.name.clone());
                Ok(())
            })
        })
    }

    fn networks(&self) -> Answer<'_, Vec<Value>, EngineError> {
        Box::pin(async {
            self.call(|state| {
                let range = serde_json::json!({"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"});
                let ipam = serde_json::json!({ "Config": [range] });
                let shown = |name| serde_json::json!({"Name": name, "IPAM": ipam});
                Ok(state.networks.iter().map(shown).collect())
            })
        })
    }

    fn info(&self) -> Answer<'_, EngineInfo, EngineError> {
        Box::pin(async {
            self.call(|_| {
                Ok(EngineInfo {
                    version: "20.10.24".to_owned(),
                    os: "linux".to_owned(),
                    architecture: "x86_64".to_owned(),
                    operating_system: "Memory".to_owned(),
                    kernel: "6.1.0".to_owned(),
                    cpus: 2,
                    memory_bytes: 2 << 30,
                    log_driver: LOG_DRIVER.to_owned(),
                })
            })
        })
    }

    fn events(&self) -> Answer<'_, Events, EngineError> {
        Box::pin(async {
            self.call(|_| Ok(()))?;
            Ok(Box::new(reads::Listener::new(&self.shared)) as Events)
        })
    }
}

/// What a registry has.
#[derive(Clone, Debug)]
struct Offer {
    image: Image,
    credentials: Option<crate::Credentials>,
}
