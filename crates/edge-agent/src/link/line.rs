//! The line to a real hub, on whatever carries it: it stands, or it is being made, or it waits.
//!
//! ```text
//!   Connecting ───► Up ───► (a ticket ends over MQTT, another way) Connecting
//!     ▲   │          │
//!     │   ▼          ▼
//!    Pausing ◄───────┘
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_model::Random;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::talk::{Heard, Talk, Trouble};
use super::way::{Before, Ticket, WayError, WayIn};
use super::{Backoff, CallId, HubEvent, HubLink};

pub struct LineOptions {
    pub way_in: Arc<dyn WayIn>,
    pub random: Arc<dyn Random>,
    /// Between tries.
    pub pause_first: Duration,
    pub pause_last: Duration,
    /// A hub that does not answer for so long has lost the question.
    pub answer_timeout: Duration,
}

pub struct Line {
    options: LineOptions,
    backoff: Backoff,
    before: Before,
    state: State,
    /// Counts questions, so that each has a name of its own.
    asked: u64,
    twin: Option<Question>,
    report: Option<Question>,
    /// The message that has no answer yet.
    message: Option<Question>,
}

struct Question {
    request: String,
    until: Instant,
}

type Connecting = Pin<Box<dyn Future<Output = Result<(Talk, Duration), Trouble>> + Send>>;

enum State {
    Connecting(Connecting),
    Up { talk: Talk, renewal: Renewal },
    Pausing(Pin<Box<Sleep>>),
}

/// Of the ticket.
enum Renewal {
    Waiting(Pin<Box<Sleep>>),
    Asking(Pin<Box<dyn Future<Output = Result<Ticket, WayError>> + Send>>),
}

impl Renewal {
    fn after(pause: Duration) -> Self {
        Self::Waiting(Box::pin(sleep(pause)))
    }
}

/// What happens while a connection stands.
enum Met {
    Heard(Heard),
    /// There is another way.
    Change,
    Renewal,
    Ticket(Result<Ticket, WayError>),
}

/// Where no other ticket was to be had.
const RENEW_AGAIN: Duration = Duration::from_secs(60);

impl Line {
    pub fn new(options: LineOptions) -> Self {
        let backoff = Backoff::new(options.pause_first, options.pause_last);
        let state = State::Connecting(connect(Arc::clone(&options.way_in), Before::default()));
        Self {
            options,
            backoff,
            before: Before::default(),
            state,
            asked: 0,
            twin: None,
            report: None,
            message: None,
        }
    }

    /// One thing that happens; `None` where it matters to nobody outside.
    async fn turn(&mut self) -> Option<HubEvent> {
        match &mut self.state {
            State::Pausing(pause) => {
                pause.await;
                self.connect();
                None
            }
            State::Connecting(connecting) => match connecting.await {
                Err(trouble) => Some(self.fail(trouble)),
                Ok((talk, renew_after)) => {
                    self.state = State::Up { talk, renewal: Renewal::after(renew_after) };
                    self.before = Before::default();
                    self.backoff.reset();
                    Some(HubEvent::Up)
                }
            },
            State::Up { talk, renewal } => {
                let questions = [&self.twin, &self.report, &self.message].into_iter().flatten();
                let until = questions.map(|question| question.until).min();
                let way_in = Arc::clone(&self.options.way_in);
                let met = tokio::select! {
                    heard = talk.hear() => heard.map(Met::Heard),
                    met = renewed(renewal) => Ok(met),
                    () = way_in.changed() => Ok(Met::Change),
                    () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                        Err(Trouble::new("the hub does not answer"))
                    }
                };
                match met {
                    Err(trouble) => Some(self.fail(trouble)),
                    Ok(Met::Heard(heard)) => self.heard(heard),
                    Ok(Met::Change) => {
                        self.forget();
                        self.connect();
                        None
                    }
                    Ok(Met::Renewal) => {
                        *renewal = Renewal::Asking(Box::pin(async move { way_in.ticket().await }));
                        None
                    }
                    Ok(Met::Ticket(Err(error))) => {
                        tracing::warn!(%error, "No other ticket for the hub yet.");
                        *renewal = Renewal::after(RENEW_AGAIN);
                        None
                    }
                    Ok(Met::Ticket(Ok(ticket))) => {
                        *renewal = Renewal::after(ticket.renew_after);
                        if !talk.renew(&ticket.token) {
                            self.forget();
                            self.connect();
                        }
                        None
                    }
                }
            }
        }
    }

    fn connect(&mut self) {
        self.state = State::Connecting(connect(Arc::clone(&self.options.way_in), self.before));
    }

    fn fail(&mut self, trouble: Trouble) -> HubEvent {
        if matches!(self.state, State::Connecting(_)) {
            self.before.failures = self.before.failures.saturating_add(1);
        }
        self.before.is_refused = trouble.is_refused;
        let pause = self.backoff.pause(self.options.random.as_ref());
        self.state = State::Pausing(Box::pin(sleep(pause)));
        self.forget();
        HubEvent::Down { reason: trouble.reason, is_refused: trouble.is_refused }
    }

    fn forget(&mut self) {
        (self.twin, self.report, self.message) = (None, None, None);
    }

    fn heard(&mut self, heard: Heard) -> Option<HubEvent> {
        match heard {
            Heard::Patch { version, patch } => Some(HubEvent::Patch { version, patch }),
            Heard::Call { id, name, payload } => Some(HubEvent::Call { id, name, payload }),
            Heard::Sent { is_kept } => {
                self.message = None;
                Some(HubEvent::Sent { is_kept })
            }
            Heard::Answer { request, status, payload } => self.answered(status, &request, &payload),
        }
    }

    fn answered(&mut self, status: u16, request: &str, payload: &[u8]) -> Option<HubEvent> {
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
            let reason = format!("the hub gives no twin (status {status}): {}", text());
            return Some(self.fail(Trouble::new(reason)));
        }
        let Ok(Value::Object(mut twin)) = serde_json::from_slice(payload) else {
            return Some(self.fail(Trouble::new("the hub's twin is no JSON")));
        };
        let mut section = |key: &str| match twin.remove(key) {
            Some(Value::Object(section)) => section,
            _ => Map::new(),
        };
        Some(HubEvent::Twin { desired: section("desired"), reported: section("reported") })
    }

    fn question(&mut self) -> Question {
        self.asked += 1;
        let until = Instant::now() + self.options.answer_timeout;
        Question { request: self.asked.to_string(), until }
    }
}

async fn renewed(renewal: &mut Renewal) -> Met {
    match renewal {
        Renewal::Waiting(pause) => {
            pause.await;
            Met::Renewal
        }
        Renewal::Asking(asking) => Met::Ticket(asking.await),
    }
}

fn connect(way_in: Arc<dyn WayIn>, before: Before) -> Connecting {
    Box::pin(async move {
        let way = way_in.way(before).await?;
        let renew_after = way.ticket.renew_after;
        Ok((Talk::open(way).await?, renew_after))
    })
}

impl HubLink for Line {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = HubEvent> + Send + '_>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.turn().await {
                    return event;
                }
            }
        })
    }

    fn try_now(&mut self) {
        if matches!(self.state, State::Pausing(_)) {
            self.backoff.reset();
            self.connect();
        }
    }

    fn ask_twin(&mut self) {
        if self.twin.is_none() && matches!(self.state, State::Up { .. }) {
            let question = self.question();
            if let State::Up { talk, .. } = &mut self.state {
                talk.ask_twin(&question.request);
            }
            self.twin = Some(question);
        }
    }

    fn report(&mut self, patch: &Map<String, Value>) {
        if matches!(self.state, State::Up { .. }) {
            let question = self.question();
            if let State::Up { talk, .. } = &mut self.state {
                talk.report(&question.request, Bytes::from(Value::Object(patch.clone()).to_string()));
            }
            self.report = Some(question);
        }
    }

    fn send(&mut self, content_type: &'static str, body: Bytes) {
        if matches!(self.state, State::Up { .. }) {
            self.message = Some(self.question());
            if let State::Up { talk, .. } = &mut self.state {
                talk.send(content_type, body);
            }
        }
    }

    fn answer(&mut self, call: &CallId, status: u16, payload: Bytes) {
        if let State::Up { talk, .. } = &mut self.state {
            talk.answer(call, status, payload);
        }
    }
}
