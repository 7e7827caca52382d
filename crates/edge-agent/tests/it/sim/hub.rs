//! A hub with one device: it holds the twin of `$edgeAgent`, and can go away.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_edge_agent::link::{CallId, HubEvent, HubLink};
use skerry_edge_agent::report::delta;
use skerry_model::limits::REPORTED_BYTES_MAX;
use skerry_model::twin::{merge, section_bytes};
use tokio::sync::{Notify, oneshot};

#[derive(Clone, Default)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

#[derive(Default)]
struct State {
    version: u64,
    desired: Map<String, Value>,
    reported: Map<String, Value>,
    reports: u32,
    is_up: bool,
    /// The next patch is lost on its way.
    loses_next: bool,
    /// The next twin comes behind the next patch.
    is_slow: bool,
    late: Option<HubEvent>,
    twins: u32,
    /// How often the agent would not wait for the next try.
    hurries: u32,
    messages: Vec<(&'static str, Bytes)>,
    events: VecDeque<HubEvent>,
    calls: BTreeMap<String, oneshot::Sender<(u16, Bytes)>>,
}

impl Hub {
    fn change<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let result = work(&mut self.state.lock().unwrap());
        self.news.notify_one();
        result
    }

    pub(crate) fn go_up(&self) {
        self.change(|state| {
            state.is_up = true;
            state.events.push_back(HubEvent::Up);
        });
    }

    /// A new line, where there is one to be had.
    pub(crate) fn greet(&self) {
        self.change(|state| {
            state.events.clear();
            if state.is_up {
                state.events.push_back(HubEvent::Up);
            }
        });
    }

    pub(crate) fn hurries(&self) -> u32 {
        self.state.lock().unwrap().hurries
    }

    pub(crate) fn go_down(&self) {
        self.down("gone", false);
    }

    /// It is there, and does not let the agent in.
    pub(crate) fn refuse(&self) {
        self.down("not authorised", true);
    }

    fn down(&self, reason: &str, is_refused: bool) {
        self.change(|state| {
            state.is_up = false;
            state.events.clear();
            state.events.push_back(HubEvent::Down { reason: reason.to_owned(), is_refused });
        });
    }

    /// Replaces the desired properties, and gives their version.
    pub(crate) fn deploy(&self, desired: &Value) -> u64 {
        self.change(|state| {
            let desired = desired.as_object().unwrap().clone();
            let patch = delta(&state.desired, &desired);
            state.desired = desired;
            state.version += 1;
            if state.is_up && !std::mem::take(&mut state.loses_next) {
                state.events.push_back(HubEvent::Patch { version: state.version, patch });
            }
            state.events.extend(state.late.take());
            state.version
        })
    }

    pub(crate) fn be_slow_with_the_next_twin(&self) {
        self.change(|state| state.is_slow = true);
    }

    pub(crate) fn lose_next_patch(&self) {
        self.change(|state| state.loses_next = true);
    }

    pub(crate) fn reported(&self) -> Value {
        Value::Object(self.state.lock().unwrap().reported.clone())
    }

    pub(crate) fn reports(&self) -> u32 {
        self.state.lock().unwrap().reports
    }

    /// How often the whole twin was asked for.
    pub(crate) fn twins(&self) -> u32 {
        self.state.lock().unwrap().twins
    }

    /// What came as messages.
    pub(crate) fn messages(&self) -> Vec<(&'static str, Bytes)> {
        self.state.lock().unwrap().messages.clone()
    }

    pub(crate) async fn call(&self, name: &str, payload: &Value) -> (u16, Value) {
        let (reply, answer) = oneshot::channel();
        self.change(|state| {
            let id = (state.calls.len() + 1).to_string();
            let payload = Bytes::from(payload.to_string());
            state.calls.insert(id.clone(), reply);
            state.events.push_back(HubEvent::Call { id: CallId(id), name: name.to_owned(), payload });
        });
        let (status, payload) = answer.await.unwrap();
        (status, if payload.is_empty() { Value::Null } else { serde_json::from_slice(&payload).unwrap() })
    }
}

/// The agent's end.
pub(crate) struct Line(pub(crate) Hub);

impl HubLink for Line {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = HubEvent> + Send + '_>> {
        Box::pin(async {
            loop {
                let event = self.0.state.lock().unwrap().events.pop_front();
                if let Some(event) = event {
                    return event;
                }
                self.0.news.notified().await;
            }
        })
    }

    fn try_now(&mut self) {
        self.0.change(|state| state.hurries += 1);
    }

    fn ask_twin(&mut self) {
        self.0.change(|state| {
            if state.is_up {
                state.twins += 1;
                let mut desired = state.desired.clone();
                desired.insert("$version".to_owned(), json!(state.version));
                let reported = state.reported.clone();
                let twin = HubEvent::Twin { desired, reported };
                if std::mem::take(&mut state.is_slow) {
                    state.late = Some(twin);
                } else {
                    state.events.push_back(twin);
                }
            }
        });
    }

    fn report(&mut self, patch: &Map<String, Value>) {
        self.0.change(|state| {
            if !state.is_up {
                return;
            }
            let mut reported = state.reported.clone();
            merge(&mut reported, patch);
            let (status, text) = if section_bytes(&reported) > REPORTED_BYTES_MAX {
                (403, "too long".to_owned())
            } else {
                state.reported = reported;
                state.reports += 1;
                (204, String::new())
            };
            state.events.push_back(HubEvent::Reported { status, text });
        });
    }

    fn send(&mut self, content_type: &'static str, body: Bytes) {
        self.0.change(|state| {
            if state.is_up {
                state.messages.push((content_type, body));
                state.events.push_back(HubEvent::Sent { is_kept: true });
            }
        });
    }

    fn answer(&mut self, call: &CallId, status: u16, payload: Bytes) {
        self.0.change(|state| {
            if let Some(reply) = state.calls.remove(&call.0) {
                drop(reply.send((status, payload)));
            }
        });
    }
}
