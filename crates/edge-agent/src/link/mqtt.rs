//! The line over MQTT, on whatever carries it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_model::{DeviceId, ModuleId, Random};
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Publish, Qos, SubackCode};
use skerry_mqtt::topic::{Inbound, Received, Subscription};
use skerry_runtime::Answer;
use skerry_uplink::{Client, Place};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::{Backoff, CallId, HubEvent, HubLink};

/// Where the hub is, and the ticket to it.
#[derive(Clone, Debug)]
pub struct Way {
    pub place: Place,
    pub connect: Connect,
}

/// Asked before each try: names may have moved, and tickets end.
pub trait WayIn: Send + Sync {
    fn way(&self) -> Answer<'_, Way, WayError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no way to the hub: {reason}")]
pub struct WayError {
    pub reason: String,
}

pub struct MqttLinkOptions {
    pub device: DeviceId,
    pub module: ModuleId,
    pub way_in: Arc<dyn WayIn>,
    pub random: Arc<dyn Random>,
    /// Between tries.
    pub pause_first: Duration,
    pub pause_last: Duration,
    /// A hub that does not answer for so long has lost the question.
    pub answer_timeout: Duration,
}

pub struct MqttLink {
    options: MqttLinkOptions,
    backoff: Backoff,
    state: State,
    /// Counts questions, so that each has a name of its own.
    asked: u64,
    twin: Option<Question>,
    report: Option<Question>,
}

struct Question {
    request: String,
    until: Instant,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Client<()>, String>> + Send>>;

enum State {
    Connecting(Connecting),
    Subscribing(Box<Client<()>>),
    Up(Box<Client<()>>),
    Pausing(Pin<Box<Sleep>>),
}

const SUBSCRIPTIONS: [Subscription; 3] =
    [Subscription::TwinAnswers, Subscription::Desired, Subscription::Methods];

impl MqttLink {
    pub fn new(options: MqttLinkOptions) -> Self {
        let backoff = Backoff::new(options.pause_first, options.pause_last);
        let state = State::Connecting(connect(Arc::clone(&options.way_in)));
        Self { options, backoff, state, asked: 0, twin: None, report: None }
    }

    /// One thing that happens; `None` where it matters to nobody outside.
    async fn turn(&mut self) -> Option<HubEvent> {
        match &mut self.state {
            State::Pausing(pause) => {
                pause.await;
                self.state = State::Connecting(connect(Arc::clone(&self.options.way_in)));
                None
            }
            State::Connecting(connecting) => match connecting.await {
                Err(reason) => Some(self.fail(reason)),
                Ok(mut client) => {
                    let filters = SUBSCRIPTIONS.iter().filter_map(|subscription| {
                        Some((
                            subscription.filter(&self.options.device, Some(&self.options.module))?,
                            Qos::AtMostOnce,
                        ))
                    });
                    match client.subscribe(filters.collect()) {
                        Err(error) => Some(self.fail(error.to_string())),
                        Ok(_) => {
                            self.state = State::Subscribing(Box::new(client));
                            None
                        }
                    }
                }
            },
            State::Subscribing(client) => match client.event().await {
                Err(error) => Some(self.fail(error.to_string())),
                Ok(Event::Subscribed { codes, .. }) if codes.contains(&SubackCode::Refused) => {
                    Some(self.fail("the hub refused the agent's subscriptions".to_owned()))
                }
                Ok(Event::Subscribed { .. }) => {
                    let pausing = State::Pausing(Box::pin(sleep(Duration::ZERO)));
                    if let State::Subscribing(client) = std::mem::replace(&mut self.state, pausing) {
                        self.state = State::Up(client);
                    }
                    self.backoff.reset();
                    Some(HubEvent::Up)
                }
                Ok(_) => None,
            },
            State::Up(client) => {
                let until =
                    [&self.twin, &self.report].into_iter().flatten().map(|question| question.until).min();
                let event = tokio::select! {
                    event = client.event() => event.map_err(|error| error.to_string()),
                    () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                        Err("the hub does not answer".to_owned())
                    }
                };
                match event {
                    Err(reason) => Some(self.fail(reason)),
                    Ok(Event::Message(publish)) => self.message(&publish),
                    Ok(_) => None,
                }
            }
        }
    }

    fn fail(&mut self, reason: String) -> HubEvent {
        let pause = self.backoff.pause(self.options.random.as_ref());
        self.state = State::Pausing(Box::pin(sleep(pause)));
        (self.twin, self.report) = (None, None);
        HubEvent::Down { reason }
    }

    fn message(&mut self, publish: &Publish) -> Option<HubEvent> {
        if let (Some(id), State::Up(client)) = (publish.packet_id, &mut self.state) {
            client.settle(id);
        }
        let topic = publish.topic.as_str().to_owned();
        match Received::parse(&topic, &self.options.device, Some(&self.options.module)).ok()? {
            Received::Method { name, request } => {
                let id = CallId(request.to_owned());
                Some(HubEvent::Call { id, name: name.into_owned(), payload: publish.payload.clone() })
            }
            Received::Desired { version } => {
                Some(HubEvent::Patch { version, patch: serde_json::from_slice(&publish.payload).ok()? })
            }
            Received::TwinAnswer { status, request, .. } => {
                self.twin_answer(status, request, &publish.payload)
            }
            Received::Command(_) | Received::Input { .. } => None,
        }
    }

    fn twin_answer(&mut self, status: u16, request: &str, payload: &[u8]) -> Option<HubEvent> {
        let text = || String::from_utf8_lossy(payload).chars().take(500).collect::<String>();
        if self.report.as_ref().is_some_and(|question| question.request == request) {
            self.report = None;
            return Some(HubEvent::Reported { status, text: text() });
        }
        if self.twin.as_ref().is_none_or(|question| question.request != request) {
            return None;
        }
        self.twin = None;
        if status != 200 {
            return Some(self.fail(format!("the hub gives no twin (status {status}): {}", text())));
        }
        let Ok(Value::Object(mut twin)) = serde_json::from_slice(payload) else {
            return Some(self.fail("the hub's twin is no JSON".to_owned()));
        };
        let mut section = |key: &str| match twin.remove(key) {
            Some(Value::Object(section)) => section,
            _ => Map::new(),
        };
        Some(HubEvent::Twin { desired: section("desired"), reported: section("reported") })
    }

    fn send(&mut self, message: &Inbound<'_>, payload: Bytes) {
        let topic = message.topic(&self.options.device, Some(&self.options.module));
        if let (State::Up(client), Some(topic)) = (&mut self.state, topic) {
            // A line that takes nothing any more breaks soon, and everything begins anew.
            let _ = client.send(topic, payload);
        }
    }

    fn question(&mut self) -> Question {
        self.asked += 1;
        let until = Instant::now() + self.options.answer_timeout;
        Question { request: self.asked.to_string(), until }
    }

    fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }
}

fn connect(way_in: Arc<dyn WayIn>) -> Connecting {
    Box::pin(async move {
        let way = way_in.way().await.map_err(|error| error.to_string())?;
        let client = Client::connect(&way.place, way.connect, ClientLimits::default()).await;
        client.map_err(|error| error.to_string())
    })
}

impl HubLink for MqttLink {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = HubEvent> + Send + '_>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.turn().await {
                    return event;
                }
            }
        })
    }

    fn ask_twin(&mut self) {
        if self.is_up() && self.twin.is_none() {
            let question = self.question();
            let request = question.request.clone();
            self.twin = Some(question);
            self.send(&Inbound::TwinGet { request: &request }, Bytes::new());
        }
    }

    fn report(&mut self, patch: &Map<String, Value>) {
        if self.is_up() {
            let question = self.question();
            let request = question.request.clone();
            self.report = Some(question);
            let payload = Bytes::from(Value::Object(patch.clone()).to_string());
            self.send(&Inbound::TwinReport { request: &request, version: None }, payload);
        }
    }

    fn answer(&mut self, call: &CallId, status: u16, payload: Bytes) {
        self.send(&Inbound::MethodAnswer { status: i64::from(status), request: &call.0 }, payload);
    }
}
