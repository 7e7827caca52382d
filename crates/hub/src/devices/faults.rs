//! Faults that a test asks for with a message: the vendors' own suites do so. Off unless the operator
//! switches it on; the message itself never reaches consumers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skerry_front::device::{CloseReason, FaultPart, Order, PublishRefused, Refused};
use skerry_model::message::Message;
use tokio::time::Instant;

use super::live::Live;

const TYPE: &str = "AzIoTHub_FaultOperationType";
const DELAY: &str = "AzIoTHub_FaultOperationDelayInSecs";
const DURATION: &str = "AzIoTHub_FaultOperationDurationInSecs";
/// Faults that wait or last at one time; one more does not happen.
const FAULTS_MAX: usize = 1000;
const SECONDS_MAX: u64 = 3600;

/// What a message may ask for.
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
                Duration::from_secs(seconds.min(SECONDS_MAX))
            };
            if let Some(fault) = Fault::from_wire(word) {
                self.begin(live, fault, seconds(DELAY), seconds(DURATION));
            }
            false
        });
    }

    fn begin(&self, live: &Arc<Live>, fault: Fault, delay: Duration, lasts: Duration) {
        {
            let mut state = self.state();
            if state.waiting + state.blocked.len() >= FAULTS_MAX {
                return;
            }
            state.waiting += 1;
        }
        tracing::info!(device = %live.device, ?fault, ?delay, "A fault was asked for.");
        let live = Arc::clone(live);
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
                    let until = Instant::now() + lasts;
                    state.blocked.insert(key(live.device.as_str(), live.module_name()), (blocked, until));
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
