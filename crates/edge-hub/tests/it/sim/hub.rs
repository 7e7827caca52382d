//! The hub above: it takes letters, tells twins and scopes, and does whatever the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_edge_hub::{Heard, Told, TwinReply};
use skerry_model::Timestamp;
use skerry_model::message::Message;
use skerry_model::twin::merge;
use skerry_tokens::SharedKey;
use tokio::sync::{mpsc, watch};

use super::machine::Dice;

/// How letters are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Acks {
    After(Duration),
    /// Letters arrive, and nothing is said.
    Never,
    /// Letters do not even arrive.
    Swallowed,
}

#[derive(Clone)]
pub struct Hub(Arc<Inside>);

pub struct Inside {
    state: Mutex<State>,
    /// Moves on when all connections break.
    cut: watch::Sender<u64>,
}

pub struct State {
    pub is_away: bool,
    pub acks: Acks,
    pub window: usize,
    pub barred: BTreeSet<String>,
    /// Identities whose letters are never acknowledged.
    pub deaf_to: BTreeSet<String>,
    pub identities: BTreeMap<String, Value>,
    pub dials: BTreeMap<String, u64>,
    pub chains: BTreeMap<String, String>,
    pub asked: Vec<(String, bool, Value)>,
    /// What is said instead of identities.
    pub scope_status: Option<u16>,
    pub lines: BTreeMap<String, mpsc::UnboundedSender<Heard>>,
    letters: Vec<(String, String)>,
    /// Letters are counted, and not kept; they have to come in order.
    counted: Option<u64>,
    /// Bodies that the hub will never take.
    refused: BTreeSet<String>,
    /// Who gets the answer to each call.
    pub answers: BTreeMap<String, (i64, Bytes)>,
    settled: Vec<u64>,
    commands: BTreeMap<String, BTreeMap<u64, String>>,
    twins: BTreeMap<String, Twin>,
    reports: BTreeMap<String, Vec<Value>>,
    loses_patch: bool,
}

#[derive(Clone)]
struct Twin {
    desired: Map<String, Value>,
    desired_version: u64,
    reported: Map<String, Value>,
    reported_version: u64,
}

impl Default for Twin {
    fn default() -> Self {
        Self { desired: Map::new(), desired_version: 1, reported: Map::new(), reported_version: 1 }
    }
}

impl Hub {
    pub fn new() -> Self {
        let state = State {
            is_away: false,
            acks: Acks::After(Duration::from_millis(5)),
            window: 64,
            barred: BTreeSet::new(),
            deaf_to: BTreeSet::new(),
            identities: BTreeMap::new(),
            dials: BTreeMap::new(),
            chains: BTreeMap::new(),
            asked: Vec::new(),
            scope_status: None,
            lines: BTreeMap::new(),
            letters: Vec::new(),
            counted: None,
            refused: BTreeSet::new(),
            answers: BTreeMap::new(),
            settled: Vec::new(),
            commands: BTreeMap::new(),
            twins: BTreeMap::new(),
            reports: BTreeMap::new(),
            loses_patch: false,
        };
        Self(Arc::new(Inside { state: Mutex::new(state), cut: watch::Sender::new(0) }))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub fn cuts(&self) -> watch::Receiver<u64> {
        self.0.cut.subscribe()
    }

    /// Breaks every connection; new ones may come.
    pub fn cut(&self) {
        self.0.cut.send_modify(|cuts| *cuts += 1);
    }

    pub fn go_away(&self) {
        self.state().is_away = true;
        self.cut();
    }

    pub fn come_back(&self) {
        self.state().is_away = false;
    }

    pub fn acknowledge(&self, acks: Acks) {
        self.state().acks = acks;
    }

    pub fn bar(&self, id: &str) {
        self.state().barred.insert(id.to_owned());
        self.cut();
    }

    pub fn let_in(&self, id: &str) {
        self.state().barred.remove(id);
    }

    /// Letters of an identity arrive nowhere, and nothing is said of them.
    pub fn is_deaf_to(&self, id: &str, is_deaf: bool) {
        let deaf_to = &mut self.state().deaf_to;
        if is_deaf {
            deaf_to.insert(id.to_owned());
        } else {
            deaf_to.remove(id);
        }
    }

    /// Puts an identity into the scope; its key.
    pub fn register(&self, id: &str) -> SharedKey {
        let key = SharedKey::generate(&Dice::new());
        self.register_with(id, &key);
        key
    }

    pub fn register_with(&self, id: &str, key: &SharedKey) {
        let (device, module) =
            id.split_once('/').map_or((id, None), |(device, module)| (device, Some(module)));
        let item = json!({
            "deviceId": device, "moduleId": module, "generationId": "1", "status": "enabled",
            "authentication": {"type": "sas", "symmetricKey": {"primaryKey": key.reveal(), "secondaryKey": key.reveal()}},
            "capabilities": {"iotEdge": device == "edge"},
            "deviceScope": "ms-azure-iot-edge://edge-1",
        });
        self.state().identities.insert(id.to_owned(), item);
    }

    /// Behind another edge, or an edge device itself.
    pub fn places(&self, id: &str, is_edge: bool, parent: &str) {
        let device = id.split('/').next().unwrap();
        let mut state = self.state();
        let item = state.identities.get_mut(id).unwrap();
        let scope = |edge: &str| format!("ms-azure-iot-edge://{edge}-1");
        item["capabilities"] = json!({"iotEdge": is_edge});
        item["deviceScope"] = json!(if is_edge { scope(device) } else { scope(parent) });
        item["parentScopes"] = json!([scope(parent)]);
    }

    /// What was asked of modules on somebody's behalf: the path, whether it replaces something, and the body.
    pub fn asked(&self) -> Vec<(String, bool, Value)> {
        self.state().asked.clone()
    }

    /// The chain of an identity's last connection.
    pub fn chain(&self, id: &str) -> Option<String> {
        self.state().chains.get(id).cloned()
    }

    /// Whoever asks for identities gets this status instead.
    pub fn tells_no_identities(&self, status: Option<u16>) {
        self.state().scope_status = status;
    }

    pub fn disable(&self, id: &str) {
        self.state().identities.get_mut(id).unwrap()["status"] = json!("disabled");
    }

    /// A letter is here: whose connection it came by, and its body. `false` when it is refused.
    pub fn take(&self, id: &str, message: &Message) -> bool {
        let body = String::from_utf8(message.body.to_vec()).unwrap();
        let mut state = self.state();
        if state.refused.contains(&body) {
            return false;
        }
        if let Some(counted) = &mut state.counted {
            let number: u64 = body.trim_end().parse().unwrap();
            assert!(number <= *counted, "{number} came before {counted}");
            *counted = (*counted).max(number + 1);
            return true;
        }
        state.letters.push((id.to_owned(), body));
        true
    }

    /// From now on letters of one sender come in order, and are only counted.
    pub fn counts(&self) {
        self.state().counted = Some(0);
    }

    pub fn counted(&self) -> u64 {
        self.state().counted.unwrap_or_default()
    }

    pub fn refuses(&self, body: &str) {
        self.state().refused.insert(body.to_owned());
    }

    /// The bodies of one identity's letters, as they came.
    pub fn letters(&self, id: &str) -> Vec<String> {
        self.state().letters.iter().filter(|(from, _)| from == id).map(|(_, body)| body.clone()).collect()
    }

    /// Different letters of one identity.
    pub fn count(&self, id: &str) -> usize {
        self.letters(id).into_iter().collect::<BTreeSet<_>>().len()
    }

    /// Letters 0 to `count` of an identity are here, none overtakes another that was not here before, and at most so
    /// many came again.
    pub fn assert_in_order(&self, id: &str, count: u64, again_max: usize) {
        let numbers: Vec<u64> = self.letters(id).iter().map(|body| body.parse().unwrap()).collect();
        let mut next = 0;
        for number in &numbers {
            assert!(*number <= next, "{id}: {number} came before {next}: {numbers:?}");
            next = next.max(number + 1);
        }
        assert_eq!(next, count, "letters of {id}");
        let again = numbers.len() - count as usize;
        assert!(again <= again_max, "{again} letters of {id} came again, {again_max} may");
    }

    pub fn dials(&self, id: &str) -> u64 {
        self.state().dials.get(id).copied().unwrap_or_default()
    }

    pub fn loses_next_patch(&self) {
        self.state().loses_patch = true;
    }

    /// Merges desired properties and tells whoever listens; the new version.
    pub fn desire(&self, id: &str, patch: &Value) -> u64 {
        let patch = patch.as_object().unwrap().clone();
        let mut state = self.state();
        let twin = state.twins.entry(id.to_owned()).or_default();
        merge(&mut twin.desired, &patch);
        twin.desired_version += 1;
        let version = twin.desired_version;
        let is_lost = std::mem::take(&mut state.loses_patch);
        if let Some(line) = state.lines.get(id).filter(|_| !is_lost) {
            drop(line.send(Heard::Desired { version, patch }));
        }
        version
    }

    pub fn reported(&self, id: &str) -> Value {
        Value::Object(self.state().twins.get(id).map(|twin| twin.reported.clone()).unwrap_or_default())
    }

    /// The patches of an identity, as they came.
    pub fn reports(&self, id: &str) -> Vec<Value> {
        self.state().reports.get(id).cloned().unwrap_or_default()
    }

    pub fn call(&self, id: &str, call: &str, method: &str) {
        let state = self.state();
        let heard =
            Heard::Call { id: call.to_owned(), method: method.to_owned(), payload: Bytes::from_static(b"1") };
        state.lines[id].send(heard).unwrap();
    }

    pub fn answer(&self, call: &str) -> Option<i64> {
        self.state().answers.get(call).map(|(status, _)| *status)
    }

    /// A command for an identity, which it gets again with each connection until it has settled it.
    pub fn command(&self, id: &str, number: u64, body: &str) {
        let mut state = self.state();
        state.commands.entry(id.to_owned()).or_default().insert(number, body.to_owned());
        state.lines[id].send(command(number, body)).unwrap();
    }

    pub fn commands(&self, id: &str) -> Vec<Heard> {
        let state = self.state();
        let waiting = state.commands.get(id).into_iter().flatten();
        waiting.map(|(number, body)| command(*number, body)).collect()
    }

    pub fn is_settled(&self, id: &str, number: u64) {
        let mut state = self.state();
        state.commands.entry(id.to_owned()).or_default().remove(&number);
        state.settled.push(number);
    }

    pub fn settled(&self) -> Vec<u64> {
        self.state().settled.clone()
    }

    pub fn twin(&self, id: &str) -> TwinReply {
        let twin = self.state().twins.entry(id.to_owned()).or_default().clone();
        let section = |mut properties: Map<String, Value>, version: u64| {
            properties.insert("$version".to_owned(), json!(version));
            Value::Object(properties)
        };
        let body = json!({
            "desired": section(twin.desired, twin.desired_version),
            "reported": section(twin.reported, twin.reported_version),
        });
        TwinReply { status: 200, version: None, body: Bytes::from(body.to_string()) }
    }

    pub fn report(&self, id: &str, patch: &Bytes) -> TwinReply {
        let patch: Map<String, Value> = serde_json::from_slice(patch).unwrap();
        let mut state = self.state();
        state.reports.entry(id.to_owned()).or_default().push(Value::Object(patch.clone()));
        let twin = state.twins.entry(id.to_owned()).or_default();
        merge(&mut twin.reported, &patch);
        twin.reported_version += 1;
        TwinReply { status: 204, version: Some(twin.reported_version), body: Bytes::new() }
    }
}

fn command(number: u64, body: &str) -> Heard {
    let message = Message { body: Bytes::from(body.to_owned()), ..Message::default() };
    let told = Told { message, again: false, deliveries: 0, enqueued: Timestamp::NEVER };
    Heard::Command { number, command: Box::new(told) }
}
