//! The modules that there are, and how they change. Who owns a process is its keeper; what is known of it is here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Map, Value, json};
use skerry_model::{Clock, Timestamp};
use tokio::sync::{Mutex as Turn, watch};

use super::ProcessImage;
use super::launch::Launch;
use super::log::LogFiles;
use super::proc::Times;
use crate::{Container, CreateError, EngineError, Exit, Health, State as ContainerState};

/// What shells and engines add to the number of a signal that ended a program.
const BY_SIGNAL: i32 = 128;

pub(super) struct Shared {
    state: Mutex<State>,
    events: watch::Sender<u64>,
    pub(super) clock: Arc<dyn Clock>,
}

#[derive(Default)]
pub(super) struct State {
    /// References of the table that were pulled.
    pub(super) pulled: BTreeSet<String>,
    pub(super) networks: BTreeSet<String>,
    /// Nothing is started any more.
    pub(super) is_closed: bool,
    modules: BTreeMap<String, Module>,
    made: u64,
}

pub(super) struct Module {
    /// Another module of the same name has another one.
    pub(super) number: u64,
    pub(super) image: ProcessImage,
    pub(super) launch: Launch,
    pub(super) files: Arc<LogFiles>,
    /// Who starts, stops or removes it has this meanwhile.
    pub(super) turn: Arc<Turn<()>>,
    /// At the last look.
    pub(super) times: Option<Times>,
    body: Map<String, Value>,
    state: ContainerState,
    health: Option<Health>,
    started: Option<Timestamp>,
    exit: Option<Exit>,
    reason: Option<String>,
    /// Whether it was told to end since it began.
    is_asked: bool,
    /// Not reaped yet, so that the number is its own for as long as it stands here.
    process: Option<Pid>,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), events: watch::Sender::new(0), clock }
    }

    pub(super) fn look<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A change that listeners are told of.
    pub(super) fn change<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let result = self.look(work);
        self.events.send_modify(|count| *count += 1);
        result
    }

    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// Waits until it does not run, or is gone.
    pub(super) async fn ended(&self, name: &str) {
        let mut events = self.listen();
        while self.look(|state| state.modules.get(name).is_some_and(Module::is_up)) {
            // The sender lives as long as `self`.
            drop(events.changed().await);
        }
    }
}

impl State {
    pub(super) fn module(&self, name: &str) -> Result<&Module, EngineError> {
        self.modules.get(name).ok_or_else(|| no_module(name))
    }

    pub(super) fn module_mut(&mut self, name: &str) -> Result<&mut Module, EngineError> {
        self.modules.get_mut(name).ok_or_else(|| no_module(name))
    }

    /// The very one, where it is still there.
    pub(super) fn same(&mut self, name: &str, number: u64) -> Option<&mut Module> {
        self.modules.get_mut(name).filter(|module| module.number == number)
    }

    pub(super) fn is_used(&self, image_id: &str) -> bool {
        self.modules.values().any(|module| module.image.id == image_id)
    }

    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }

    pub(super) fn make(
        &mut self,
        name: &str,
        image: ProcessImage,
        launch: Launch,
        body: Map<String, Value>,
        files: LogFiles,
    ) -> Result<(), CreateError> {
        if self.is_taken(name) {
            return Err(CreateError::Exists { name: name.to_owned() });
        }
        self.made += 1;
        let module = Module {
            number: self.made,
            image,
            launch,
            files: Arc::new(files),
            turn: Arc::default(),
            times: None,
            body,
            state: ContainerState::Created,
            health: None,
            started: None,
            exit: None,
            reason: None,
            is_asked: false,
            process: None,
        };
        self.modules.insert(name.to_owned(), module);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Module> {
        self.modules.remove(name)
    }

    pub(super) fn list(&self) -> Vec<Container> {
        self.modules.iter().map(|(name, module)| module.seen(name)).collect()
    }

    /// Their names.
    pub(super) fn ask_all_to_end(&mut self) -> Vec<String> {
        self.modules.values_mut().for_each(Module::ask_to_end);
        self.modules.keys().cloned().collect()
    }

    pub(super) fn kill_all(&self) {
        self.modules.values().for_each(Module::kill);
    }
}

impl Module {
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    pub(super) fn begun(&mut self, pid: Pid, at: Timestamp) {
        self.process = Some(pid);
        self.state = ContainerState::Running;
        self.started = Some(at);
        self.health = self.image.check.as_ref().map(|_| Health::Starting);
        (self.reason, self.times, self.is_asked) = (None, None, false);
    }

    /// It could not be started, for this reason.
    pub(super) fn failed(&mut self, at: Timestamp, code: i64, reason: &str) {
        self.state = ContainerState::Exited;
        self.exit = Some(Exit { at, code });
        self.reason = Some(reason.to_owned());
    }

    /// One that the signal has ended by which we asked it to, because it handles none, has ended well, as
    /// service managers have it.
    pub(super) fn over(&mut self, at: Timestamp, code: Option<i32>, signal: Option<i32>) {
        self.process = None;
        self.state = ContainerState::Exited;
        self.health = None;
        let (code, signal) = match signal {
            Some(signal) if self.is_asked && signal == Signal::TERM.as_raw() => (Some(0), None),
            Some(signal) => (Some(BY_SIGNAL + signal), Some(signal)),
            None => (code, None),
        };
        self.exit = Some(Exit { at, code: code.unwrap_or(-1).into() });
        self.reason = signal.map(|signal| format!("ended by signal {signal}"));
    }

    pub(super) fn set_health(&mut self, health: Health) {
        self.health = Some(health);
    }

    /// Only its first process is asked, as engines do.
    pub(super) fn ask_to_end(&mut self) {
        if let Some(pid) = self.process {
            self.is_asked = true;
            // It may have ended just now.
            kill_process(pid, Signal::TERM).ok();
        }
    }

    pub(super) fn kill(&self) {
        if let Some(pid) = self.process {
            kill_process_group(pid, Signal::KILL).ok();
        }
    }

    pub(super) fn seen(&self, name: &str) -> Container {
        let labels = self.body["Labels"].as_object().into_iter().flatten();
        Container {
            name: name.to_owned(),
            image_id: self.image.id.clone(),
            labels: labels
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            state: self.state,
            health: self.health,
            started: self.started,
            exit: self.exit,
            reason: self.reason.clone(),
            pid: self.pid(),
        }
    }

    pub(super) fn document(&self, name: &str) -> Value {
        json!({
            "Name": format!("/{name}"), "Image": self.image.id, "Path": self.launch.program,
            "State": {"Pid": self.pid().unwrap_or(0), "Running": self.is_up()},
            "Config": self.body, "HostConfig": self.body.get("HostConfig"),
        })
    }
}

fn no_module(name: &str) -> EngineError {
    EngineError::NotFound { text: format!("there is no module {name} on this machine") }
}
