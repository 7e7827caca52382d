//! What the machine holds, and how its containers change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use skerry_model::{Clock, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Behaviour, Offer};
use crate::{
    Container, CreateError, CreateRequest, EngineError, Exit, Health, PullError, PullRequest,
    State as ContainerState, Stream,
};

/// Calls that nobody took; older ones go.
const CALLS_MAX: usize = 10_000;

pub(super) struct Shared {
    state: Mutex<State>,
    events: watch::Sender<u64>,
}

pub(super) struct State {
    clock: Arc<dyn Clock>,
    pub(super) is_down: bool,
    pub(super) is_disk_full: bool,
    pub(super) is_offline: bool,
    pub(super) pull_takes: Duration,
    pub(super) stop_takes: Duration,
    pub(super) registry: BTreeMap<String, Offer>,
    pub(super) refused: BTreeMap<String, String>,
    pub(super) networks: BTreeSet<String>,
    pub(super) calls: Vec<String>,
    pub(super) published: u64,
    pub(super) lists: u64,
    images: BTreeMap<String, Image>,
    containers: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) behaviour: Behaviour,
}

pub(super) struct Entry {
    image: Image,
    body: Map<String, Value>,
    state: ContainerState,
    health: Option<Health>,
    started: Option<(Timestamp, Instant)>,
    exit: Option<Exit>,
    reason: Option<String>,
    pid: u32,
    pub(super) starts: u64,
    pub(super) output: Vec<Line>,
}

pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) stream: Stream,
    pub(super) text: String,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            clock,
            is_down: false,
            is_disk_full: false,
            is_offline: false,
            pull_takes: Duration::ZERO,
            stop_takes: Duration::ZERO,
            registry: BTreeMap::new(),
            refused: BTreeMap::new(),
            networks: BTreeSet::new(),
            calls: Vec::new(),
            published: 0,
            lists: 0,
            images: BTreeMap::new(),
            containers: BTreeMap::new(),
        };
        Self { state: Mutex::new(state), events: watch::Sender::new(0) }
    }

    /// One look or change; whoever should have ended by now has ended before it.
    pub(super) fn change<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.restlessness();
        state.pass_time();
        let result = work(&mut state);
        state.pass_time();
        let is_changed = state.restlessness() != before;
        drop(state);
        if is_changed {
            self.tell();
        }
        result
    }

    pub(super) fn pass_time(&self) {
        // Time passes before each look.
        self.change(|_| ());
    }

    pub(super) fn tell(&self) {
        self.events.send_modify(|count| *count += 1);
    }

    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }
}

impl State {
    pub(super) fn check_up(&self) -> Result<(), EngineError> {
        if self.is_down {
            let reason = "connection refused".to_owned();
            return Err(EngineError::Down { place: "memory".to_owned(), reason });
        }
        Ok(())
    }

    pub(super) fn note(&mut self, call: String) {
        if self.calls.len() == CALLS_MAX {
            self.calls.remove(0);
        }
        self.calls.push(call);
    }

    pub(super) fn check_pull(&self, request: &PullRequest) -> Result<(), PullError> {
        let image = request.image.clone();
        if self.is_offline {
            return Err(PullError::Network { image, text: "dial tcp: lookup: no such host".to_owned() });
        }
        let Some(offer) = self.registry.get(&image) else {
            return Err(PullError::NotFound { image, text: "manifest unknown".to_owned() });
        };
        if offer.credentials.is_some() && offer.credentials != request.credentials {
            return Err(PullError::Auth { image, text: "unauthorized".to_owned() });
        }
        if self.is_disk_full {
            return Err(PullError::DiskFull { image, text: "no space left on device".to_owned() });
        }
        Ok(())
    }

    pub(super) fn keep_image(&mut self, reference: &str) -> String {
        let image = self.registry[reference].image.clone();
        let id = image.id.clone();
        self.images.insert(reference.to_owned(), image);
        id
    }

    pub(super) fn image(&self, reference: &str) -> Option<&Image> {
        self.images.get(reference).or_else(|| self.images.values().find(|image| image.id == reference))
    }

    pub(super) fn remove_image(&mut self, id: &str) -> Result<(), EngineError> {
        let is_used = self.containers.values().any(|entry| entry.image.id == id);
        if is_used {
            return Err(EngineError::Conflict { text: format!("image {id} is used by a container") });
        }
        self.images.retain(|_, image| image.id != id);
        Ok(())
    }

    pub(super) fn create(
        &mut self,
        request: &CreateRequest,
        body: Map<String, Value>,
    ) -> Result<(), CreateError> {
        let name = request.name.clone();
        if self.containers.contains_key(&name) {
            return Err(CreateError::Exists { name });
        }
        if let Some(text) = self.refused.get(&name) {
            return Err(CreateError::Refused { name, status: 400, text: text.clone() });
        }
        let Some(image) = self.image(&request.image).cloned() else {
            return Err(CreateError::NoImage { image: request.image.clone() });
        };
        let entry = Entry {
            image,
            body,
            state: ContainerState::Created,
            health: None,
            started: None,
            exit: None,
            reason: None,
            pid: 0,
            starts: 0,
            output: Vec::new(),
        };
        self.containers.insert(name, entry);
        Ok(())
    }

    pub(super) fn entry(&self, name: &str) -> Result<&Entry, EngineError> {
        self.containers.get(name).ok_or_else(|| no_container(name))
    }

    fn entry_mut(&mut self, name: &str) -> Result<&mut Entry, EngineError> {
        self.containers.get_mut(name).ok_or_else(|| no_container(name))
    }

    pub(super) fn start(&mut self, name: &str) -> Result<(), EngineError> {
        let now = self.clock.now();
        let pid = 1000 + u32::try_from(self.calls.len()).unwrap_or(0);
        let entry = self.entry_mut(name)?;
        if entry.state == ContainerState::Running {
            return Ok(());
        }
        if let Some(text) = entry.image.behaviour.start_error.clone() {
            entry.state = ContainerState::Exited;
            entry.exit = Some(Exit { at: now, code: 127 });
            entry.reason = Some(text.clone());
            return Err(EngineError::Refused { call: "start", status: 500, text });
        }
        entry.state = ContainerState::Running;
        entry.started = Some((now, Instant::now()));
        entry.health = entry.image.behaviour.health;
        entry.pid = pid;
        entry.starts += 1;
        entry.reason = None;
        for (stream, text) in entry.image.behaviour.output.clone() {
            entry.output.push(Line { at: now, stream, text });
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, name: &str) -> Result<(), EngineError> {
        self.entry(name)?;
        // Whoever is asked to end, and ends, ends well.
        self.end(name, 0);
        Ok(())
    }

    /// The container ends, where it runs.
    pub(super) fn end(&mut self, name: &str, code: i64) {
        let at = self.clock.now();
        if let Ok(entry) = self.entry_mut(name)
            && entry.state == ContainerState::Running
        {
            entry.state = ContainerState::Exited;
            entry.health = None;
            entry.exit = Some(Exit { at, code });
        }
    }

    pub(super) fn make_dead(&mut self, name: &str) {
        self.end(name, 137);
        if let Ok(entry) = self.entry_mut(name) {
            entry.state = ContainerState::Dead;
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.containers.remove(name);
    }

    pub(super) fn set_health(&mut self, name: &str, health: Health) {
        if let Ok(entry) = self.entry_mut(name) {
            entry.health = Some(health);
        }
    }

    pub(super) fn write(&mut self, name: &str, stream: Stream, text: &str) {
        let at = self.clock.now();
        if let Ok(entry) = self.entry_mut(name) {
            entry.output.push(Line { at, stream, text: text.to_owned() });
        }
    }

    pub(super) fn list(&self) -> Vec<Container> {
        self.containers.iter().map(|(name, entry)| entry.seen(name)).collect()
    }

    fn pass_time(&mut self) {
        let now = Instant::now();
        let over: Vec<(String, i64)> = self
            .containers
            .iter()
            .filter(|(_, entry)| entry.state == ContainerState::Running)
            .filter_map(|(name, entry)| {
                let (after, code) = entry.image.behaviour.exits?;
                let (_, began) = entry.started?;
                (now.duration_since(began) >= after).then(|| (name.clone(), code))
            })
            .collect();
        for (name, code) in over {
            self.end(&name, code);
        }
    }

    /// Differs when something happened that listeners are told of.
    fn restlessness(&self) -> Vec<(u64, ContainerState)> {
        self.containers.values().map(|entry| (entry.starts, entry.state)).collect()
    }
}

impl Entry {
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
            started: self.started.map(|(at, _)| at),
            exit: self.exit,
            reason: self.reason.clone(),
            pid: self.pid(),
        }
    }

    pub(super) fn ends_after(&self) -> Option<Duration> {
        self.image.behaviour.exits.map(|(after, _)| after)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        (self.state == ContainerState::Running).then_some(self.pid)
    }

    pub(super) fn document(&self, name: &str) -> Value {
        json!({"Name": format!("/{name}"), "Config": self.body, "HostConfig": self.body.get("HostConfig")})
    }

    pub(super) fn stats(&self, name: &str) -> Result<Value, EngineError> {
        if self.pid().is_none() {
            return Err(EngineError::Conflict { text: format!("container {name} is not running") });
        }
        Ok(json!({
            "name": format!("/{name}"),
            "memory_stats": {"usage": 3_000_000, "limit": 2_147_483_648_u64, "stats": {"inactive_file": 1_000_000}},
            "pids_stats": {"current": 1},
        }))
    }
}

fn no_container(name: &str) -> EngineError {
    EngineError::NotFound { text: format!("No such container: {name}") }
}
