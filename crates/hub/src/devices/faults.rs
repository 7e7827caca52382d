//! Faults that a test asks for: with a message, as the vendors' own suites do, or over REST. Off unless the
//! operator switches it on; the message itself never reaches consumers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skerry_front::device::{CloseReason, FaultPart, Order, PublishRefused, Refused};
use skerry_model::message::Message;
use tokio::time::Instant;

use super::Shared;
use super::held::AllHeld;
use super::live::Live;

const TYPE: &str = "AzIoTHub_FaultOperationType";
const DELAY: &str = "AzIoTHub_FaultOperationDelayInSecs";
const DURATION: &str = "AzIoTHub_FaultOperationDurationInSecs";
/// Faults that wait or last at one time; one more does not happen.
const FAULTS_MAX: usize = 1000;
const LASTS_MAX: Duration = Duration::from_secs(3600);
/// How long a message may be held back.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// A fault that is asked for over REST.
#[derive(Clone, Copy, Debug)]
pub struct FaultRequest<'a> {
    /// By the word that messages have for it.
    pub word: &'a str,
    pub delay: Duration,
    /// How long everything is refused, where the fault is that.
    pub lasts: Duration,
}

/// A fault that was asked for does not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error("faults are switched off, start the hub with --fault-injection")]
    Off,
    #[error(
        "{word:?} is no fault, use KillTcp, ShutDownMqtt, InvokeThrottling, InvokeAuthError or another word of the test suites"
    )]
    Unknown { word: String },
    #[error("{FAULTS_MAX} faults wait or last, try again when some have ended")]
    TooMany,
}

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The connection breaks without a word.
    Cut,
    /// The connection is closed in good order.
    Close,
    /// Something of the connection breaks, and the rest goes on.
    Break(FaultPart),
    /// For a while everything is refused.
    Block(Blocked),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    Throttled,
    Quota,
    Unauthorised,
}

impl Fault {
    fn from_wire(word: &str) -> Option<Self> {
        Some(match word {
            "KillTcp" => Self::Cut,
            "ShutDownMqtt" | "ShutDownAmqp" => Self::Close,
            "KillAmqpConnection" => Self::Break(FaultPart::AmqpConnection),
            "KillAmqpSession" => Self::Break(FaultPart::AmqpSession),
            "KillAmqpCBSLinkReq" => Self::Break(FaultPart::TokenRequests),
            "KillAmqpCBSLinkResp" => Self::Break(FaultPart::TokenAnswers),
            "KillAmqpD2CLink" => Self::Break(FaultPart::Telemetry),
            "KillAmqpC2DLink" => Self::Break(FaultPart::Commands),
            "KillAmqpTwinLinkReq" => Self::Break(FaultPart::TwinRequests),
            "KillAmqpTwinLinkResp" => Self::Break(FaultPart::TwinAnswers),
            "KillAmqpMethodReqLink" => Self::Break(FaultPart::MethodRequests),
            "KillAmqpMethodRespLink" => Self::Break(FaultPart::MethodAnswers),
            "InvokeThrottling" => Self::Block(Blocked::Throttled),
            "InvokeMaxMessageQuota" => Self::Block(Blocked::Quota),
            "InvokeAuthError" => Self::Block(Blocked::Unauthorised),
            _ => return None,
        })
    }
}

/// Identities that are refused for now, by device and module.
#[derive(Default)]
pub(super) struct Faults {
    is_on: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: usize,
    blocked: HashMap<(String, String), (Blocked, Instant)>,
    held: AllHeld,
}

impl State {
    fn block(&mut self, key: (String, String), blocked: Blocked, lasts: Duration) {
        self.blocked.insert(key, (blocked, Instant::now() + lasts.min(LASTS_MAX)));
    }
}

impl Faults {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on, state: Mutex::default() }
    }

    /// Takes out the messages that ask for a fault, and sees to it.
    pub(super) fn take(&self, live: &Arc<Live>, messages: &mut Vec<Message>) {
        if !self.is_on {
            return;
        }
        messages.retain(|message| {
            let property = |name: &str| {
                let found = message.application.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.as_str())
            };
            let Some(word) = property(TYPE) else { return true };
            let seconds = |name| {
                let seconds = property(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                Duration::from_secs(seconds)
            };
            if let Some(fault) = Fault::from_wire(word)
                && self.reserve()
            {
                self.begin(Arc::clone(live), fault, seconds(DELAY), seconds(DURATION));
            }
            false
        });
    }

    /// Sees to a fault of every connection of an identity; a ban also holds without one. Says how many
    /// connections there were.
    pub(super) fn ask(
        shared: &Arc<Shared>,
        lives: Vec<Arc<Live>>,
        identity: (&str, &str),
        request: FaultRequest<'_>,
    ) -> Result<usize, FaultError> {
        let faults = &shared.faults;
        if !faults.is_on {
            return Err(FaultError::Off);
        }
        let fault = Fault::from_wire(request.word)
            .ok_or_else(|| FaultError::Unknown { word: request.word.chars().take(64).collect() })?;
        let connections = lives.len();
        for live in lives {
            if !faults.reserve() {
                return Err(FaultError::TooMany);
            }
            faults.begin(live, fault, request.delay, request.lasts);
        }
        if let (0, Fault::Block(blocked)) = (connections, fault) {
            if !faults.reserve() {
                return Err(FaultError::TooMany);
            }
            let (device, module) = identity;
            tracing::info!(device, module, ?fault, delay = ?request.delay, "A fault was asked for.");
            let (shared, key, lasts) = (Arc::clone(shared), key(device, module), request.lasts);
            let ban = move || {
                let mut state = shared.faults.state();
                state.waiting -= 1;
                state.block(key, blocked, lasts);
            };
            let delay = request.delay.min(LASTS_MAX);
            if delay.is_zero() {
                ban();
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    ban();
                });
            }
        }
        Ok(connections)
    }

    /// Lets messages of an identity wait, for as long as that lasts.
    pub(super) fn hold(
        &self,
        device: &str,
        module: &str,
        by: Duration,
        lasts: Duration,
    ) -> Result<(), FaultError> {
        if !self.is_on {
            return Err(FaultError::Off);
        }
        if !self.reserve() {
            return Err(FaultError::TooMany);
        }
        tracing::info!(device, module, ?by, ?lasts, "Messages are held back, as was asked for.");
        let mut state = self.state();
        state.waiting -= 1;
        state.held.hold(key(device, module), by.min(HOLD_MAX), lasts.min(LASTS_MAX));
        Ok(())
    }

    /// Done when messages that come now may go on.
    pub(super) async fn wait(&self, device: &str, module: &str) {
        if !self.is_on {
            return;
        }
        let wait = self.state().held.wait(&key(device, module));
        if let Some(wait) = wait {
            wait.done().await;
        }
    }

    /// Takes a place for one fault more.
    fn reserve(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.blocked.retain(|_, (_, until)| *until > now);
        let has_room = state.waiting + state.blocked.len() + state.held.count() < FAULTS_MAX;
        state.waiting += usize::from(has_room);
        has_room
    }

    /// In the place that was reserved.
    fn begin(&self, live: Arc<Live>, fault: Fault, delay: Duration, lasts: Duration) {
        let delay = delay.min(LASTS_MAX);
        tracing::info!(device = %live.device, ?fault, ?delay, "A fault was asked for.");
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let order = match fault {
                Fault::Break(part) => Order::Fault(part),
                Fault::Close => Order::Close(CloseReason::Stopping),
                Fault::Cut => Order::Close(CloseReason::Fault),
                Fault::Block(_) => Order::Close(CloseReason::Barred),
            };
            {
                let mut state = live.shared.faults.state();
                state.waiting -= 1;
                if let Fault::Block(blocked) = fault {
                    state.block(key(live.device.as_str(), live.module_name()), blocked, lasts);
                }
            }
            live.post.push(order);
        });
    }

    /// Why a client is not let in now.
    pub(super) fn check_connect(&self, device: &str, module: &str) -> Result<(), Refused> {
        match self.blocked(device, module) {
            None => Ok(()),
            Some(Blocked::Unauthorised) => {
                Err(Refused::Unauthorised { what: "a fault was asked for".into() })
            }
            Some(_) => Err(Refused::Unavailable { what: "a fault was asked for".into() }),
        }
    }

    pub(super) fn check_publish(&self, device: &str, module: &str) -> Result<(), PublishRefused> {
        match self.blocked(device, module) {
            None => Ok(()),
            Some(_) => Err(PublishRefused::Throttled { what: "a fault was asked for".into() }),
        }
    }

    fn blocked(&self, device: &str, module: &str) -> Option<Blocked> {
        if !self.is_on {
            return None;
        }
        let mut state = self.state();
        let now = Instant::now();
        state.blocked.retain(|_, (_, until)| *until > now);
        state.blocked.get(&key(device, module)).map(|(blocked, _)| *blocked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(device: &str, module: &str) -> (String, String) {
    (device.to_owned(), module.to_owned())
}
