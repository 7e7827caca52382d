//! Modules as programs of this machine, for machines without a container engine.
//!
//! **An image is a row of a table** that is given at construction: a reference, and the program that stands for it.
//! Nothing else runs, whatever a manifest says. Pulling such an image is finding its row.
//!
//! **A module is a process** that leads a group of its own, begun with the environment that a container would have,
//! and `/` as its folder. What it writes is kept in files ([`log`]). It is asked to end by SIGTERM and killed with
//! its whole group later; what it leaves behind in its group goes when it ends.
//!
//! **A module lives no longer than this engine.** What is known of it is in memory: the next engine has none, and
//! the agent makes them anew from the manifest, which takes no pull. To be found again, they would have to write
//! into something that outlives us, and be told from strangers that got their numbers; there is nothing to win,
//! since a program without a container has nothing that its next run does not find again. When the engine is
//! dropped, the groups are killed; [`ProcessRuntime::close`] ends them gently before. When the process is killed,
//! nobody is left to do so: programs of the table should ask the kernel for a signal at the death of their
//! parent, which they can, because the thread that begins one stays until it ends.
//!
//! **A process is no container.** It has the rights, the files and the network of this process, and whoever runs as
//! its user is that user to the local APIs. Only programs that one trusts belong into the table.

mod health;
mod image;
mod keeper;
mod launch;
mod log;
mod proc;
mod state;

pub use image::{ProcessCheck, ProcessImage};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skerry_model::Clock;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::timeout;

use crate::{
    Answer, Changes, Container, CreateError, CreateRequest, CreateRules, EngineError, EngineInfo, Events,
    LogQuery, LogStream, NetworkOptions, OnProgress, PullError, PullProgress, PullRequest, Runtime,
};
use keeper::Keeper;
use launch::Launch;
use log::LogFiles;
use state::Shared;

/// Who keeps logs here.
const LOG_DRIVER: &str = "json-file";
/// Where nobody says how long a module may take to end.
const GRACE_DEFAULT: Duration = Duration::from_secs(10);
/// After it was killed. Only the kernel can hold it longer.
const KILL_LIMIT: Duration = Duration::from_secs(10);

pub struct ProcessOptions {
    pub images: Vec<ProcessImage>,
    /// For what modules write: a folder for each.
    pub logs: PathBuf,
    pub rules: CreateRules,
    pub clock: Arc<dyn Clock>,
}

/// The engine. Needs a runtime of tokio where its calls are made.
pub struct ProcessRuntime {
    options: ProcessOptions,
    shared: Arc<Shared>,
}

impl ProcessRuntime {
    pub fn new(options: ProcessOptions) -> Self {
        let shared = Arc::new(Shared::new(Arc::clone(&options.clock)));
        Self { options, shared }
    }

    /// Ends every module, all at the same time, and starts none any more.
    pub async fn close(&self, grace: Duration) {
        // A turn is for whoever acts on one module; here everybody ends, whatever else somebody wants.
        let names = self.shared.change(|state| {
            state.is_closed = true;
            state.ask_all_to_end()
        });
        let all = async {
            for name in &names {
                self.shared.ended(name).await;
            }
        };
        if timeout(grace, all).await.is_err() {
            self.shared.look(|state| state.kill_all());
            for name in &names {
                // Who is still there then is the kernel's to end.
                drop(timeout(KILL_LIMIT, self.shared.ended(name)).await);
            }
        }
    }

    fn row(&self, reference: &str) -> Option<&ProcessImage> {
        self.options.images.iter().find(|image| image.reference == reference)
    }

    /// By reference or by id, where it was pulled.
    fn pulled(&self, reference: &str) -> Option<&ProcessImage> {
        let mut images = self.options.images.iter();
        self.shared.look(|state| {
            images.find(|image| {
                (image.reference == reference || image.id == reference)
                    && state.pulled.contains(&image.reference)
            })
        })
    }

    async fn turn(&self, name: &str) -> Result<OwnedMutexGuard<()>, EngineError> {
        let turn = self.shared.look(|state| state.module(name).map(|module| Arc::clone(&module.turn)))?;
        Ok(turn.lock_owned().await)
    }

    async fn start_now(&self, name: &str) -> Result<(), EngineError> {
        let found = self.shared.look(|state| {
            if state.is_closed {
                let reason = "it is ending".to_owned();
                return Err(EngineError::Down { place: "this machine".to_owned(), reason });
            }
            let module = state.module(name)?;
            let launch = module.launch.clone();
            let keeper = Keeper {
                shared: Arc::clone(&self.shared),
                name: name.to_owned(),
                number: module.number,
                launch: launch.clone(),
                files: Arc::clone(&module.files),
            };
            Ok((!module.is_up()).then(|| (keeper, module.image.clone(), launch)))
        })?;
        let Some((keeper, image, launch)) = found else { return Ok(()) };
        let number = keeper.number;
        let lost = |_| {
            let text = "no thread could be made for it".to_owned();
            EngineError::Refused { call: "start", status: 500, text }
        };
        keeper.start().await.map_err(lost)??;
        if image.check.is_some() {
            tokio::spawn(health::watch(Arc::clone(&self.shared), name.to_owned(), number, image, launch));
        }
        Ok(())
    }

    async fn stop_now(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        self.shared.look(|state| state.module_mut(name).map(state::Module::ask_to_end))?;
        if timeout(grace, self.shared.ended(name)).await.is_ok() {
            return Ok(());
        }
        self.kill_now(name).await
    }

    async fn kill_now(&self, name: &str) -> Result<(), EngineError> {
        self.shared.look(|state| state.module(name).map(state::Module::kill))?;
        let ended = timeout(KILL_LIMIT, self.shared.ended(name)).await;
        ended.map_err(|_| EngineError::Late { call: "kill", after: KILL_LIMIT })
    }
}

impl Drop for ProcessRuntime {
    fn drop(&mut self) {
        self.shared.look(|state| {
            state.is_closed = true;
            state.kill_all();
        });
    }
}

impl Runtime for ProcessRuntime {
    fn list(&self) -> Answer<'_, Vec<Container>, EngineError> {
        Box::pin(async { Ok(self.shared.look(|state| state.list())) })
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, Container, EngineError> {
        Box::pin(async move { self.shared.look(|state| Ok(state.module(name)?.seen(name))) })
    }

    fn document<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        Box::pin(async move { self.shared.look(|state| Ok(state.module(name)?.document(name))) })
    }

    fn pull<'a>(
        &'a self,
        request: &'a PullRequest,
        progress: OnProgress<'a>,
    ) -> Answer<'a, String, PullError> {
        Box::pin(async move {
            let Some(image) = self.row(&request.image) else {
                let known: Vec<&str> =
                    self.options.images.iter().map(|image| image.reference.as_str()).collect();
                let text = format!(
                    "without a container engine this machine has only: {}",
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                );
                return Err(PullError::NotFound { image: request.image.clone(), text });
            };
            self.shared.look(|state| state.pulled.insert(image.reference.clone()));
            progress(PullProgress { layers: 1, layers_done: 1, bytes: 0, bytes_done: 0 });
            Ok(image.id.clone())
        })
    }

    fn image<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<String>, EngineError> {
        Box::pin(async move { Ok(self.pulled(reference).map(|image| image.id.clone())) })
    }

    fn remove_image<'a>(&'a self, id: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.shared.look(|state| {
                if state.is_used(id) {
                    return Err(EngineError::Conflict { text: format!("a module uses the image {id}") });
                }
                for image in self.options.images.iter().filter(|image| image.id == id) {
                    state.pulled.remove(&image.reference);
                }
                Ok(())
            })
        })
    }

    fn create<'a>(&'a self, request: &'a CreateRequest) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let body = request.body(&self.options.rules, LOG_DRIVER)?;
            let name = request.name.clone();
            let refused = |status, text| CreateError::Refused { name: name.clone(), status, text };
            let image = self.pulled(&request.image).cloned();
            let image = image.ok_or_else(|| CreateError::NoImage { image: request.image.clone() })?;
            let launch = Launch::new(&image, &body).map_err(|text| refused(400, text))?;
            if self.shared.look(|state| state.is_taken(&request.name)) {
                return Err(CreateError::Exists { name });
            }
            let nothing = launch::without_effect(&body);
            if !nothing.is_empty() {
                let options = nothing.join(", ");
                tracing::warn!(
                    module = name,
                    options,
                    "Without a container these createOptions have no effect."
                );
            }
            let folder = self.options.logs.join(&request.name);
            let files = LogFiles::make(folder.clone(), log::limits(&body)).map_err(|error| {
                refused(500, format!("{} cannot be used for its log: {error}", folder.display()))
            })?;
            self.shared.change(|state| state.make(&request.name, image, launch, body, files))
        })
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let _turn = self.turn(name).await?;
            self.start_now(name).await
        })
    }

    fn stop<'a>(&'a self, name: &'a str, grace: Option<Duration>) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let _turn = self.turn(name).await?;
            self.stop_now(name, grace.unwrap_or(GRACE_DEFAULT)).await
        })
    }

    fn restart<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let _turn = self.turn(name).await?;
            self.stop_now(name, GRACE_DEFAULT).await?;
            self.start_now(name).await
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let Ok(_turn) = self.turn(name).await else { return Ok(()) };
            match self.kill_now(name).await {
                // Somebody was faster.
                Err(EngineError::NotFound { .. }) => return Ok(()),
                other => other?,
            }
            let removed = self.shared.change(|state| state.remove(name));
            if let Some(Err(error)) = removed.map(|module| module.files.remove()) {
                tracing::warn!(%error, module = name, "What the module has written is still there.");
            }
            Ok(())
        })
    }

    fn logs<'a>(&'a self, name: &'a str, query: &'a LogQuery) -> Answer<'a, LogStream, EngineError> {
        Box::pin(async move {
            let files =
                self.shared.look(|state| state.module(name).map(|module| Arc::clone(&module.files)))?;
            log::read(&files, query)
        })
    }

    fn stats<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        Box::pin(async move {
            let pids = self.processes(name).await?;
            let before = self.shared.look(|state| state.module(name).map(|module| module.times))?;
            let (stats, times) = proc::stats(name, &pids, before);
            self.shared.look(|state| state.module_mut(name).map(|module| module.times = Some(times)))?;
            Ok(stats)
        })
    }

    fn processes<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u32>, EngineError> {
        Box::pin(async move {
            let leader = self.shared.look(|state| state.module(name).map(state::Module::pid))?;
            let text = format!("the module {name} does not run");
            leader.map(proc::group).ok_or(EngineError::Conflict { text })
        })
    }

    fn ensure_network<'a>(&'a self, options: &'a NetworkOptions) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            self.shared.look(|state| state.networks.insert(options.name.clone()));
            Ok(())
        })
    }

    /// Processes are on the machine's own network, whatever they think.
    fn networks(&self) -> Answer<'_, Vec<Value>, EngineError> {
        Box::pin(async {
            let shown = |name: &String| json!({"Name": name, "Driver": "host", "IPAM": {"Config": []}});
            Ok(self.shared.look(|state| state.networks.iter().map(shown).collect()))
        })
    }

    fn info(&self) -> Answer<'_, EngineInfo, EngineError> {
        Box::pin(async { Ok(proc::info(LOG_DRIVER)) })
    }

    fn events(&self) -> Answer<'_, Events, EngineError> {
        Box::pin(async { Ok(Box::new(Listener(self.shared.listen(), Arc::clone(&self.shared))) as Events) })
    }
}

/// Holds what it listens to.
struct Listener(watch::Receiver<u64>, Arc<Shared>);

impl Changes for Listener {
    fn next(&mut self) -> Answer<'_, (), EngineError> {
        Box::pin(async {
            let Self(events, _shared) = self;
            // The sender lives as long as `shared`.
            drop(events.changed().await);
            Ok(())
        })
    }
}
