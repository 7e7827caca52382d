//! One connection to the hub on which everything is subscribed, whatever is spoken there.

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_uplink::{Error, Token};
use tokio::time::timeout;

use super::CallId;
use super::amqp::AmqpTalk;
use super::mqtt::MqttTalk;
use super::way::{Protocol, Way, WayError};

pub(super) enum Talk {
    Mqtt(Box<MqttTalk>),
    Amqp(Box<AmqpTalk>),
}

/// What came over it.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// To a question for the twin, or to a report.
    Answer {
        request: String,
        status: u16,
        payload: Bytes,
    },
    Patch {
        version: u64,
        patch: Map<String, Value>,
    },
    Call {
        id: CallId,
        name: String,
        payload: Bytes,
    },
    /// Of our own message.
    Sent {
        is_kept: bool,
    },
}

/// Why there is no connection any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) is_refused: bool,
}

impl Trouble {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_refused: false }
    }
}

impl From<WayError> for Trouble {
    fn from(error: WayError) -> Self {
        Self { is_refused: error.is_refused, reason: error.to_string() }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { is_refused: error.is_refusal(), reason: error.to_string() }
    }
}

impl Talk {
    /// Connects, and subscribes to everything.
    pub(super) async fn open(way: Way) -> Result<Self, Trouble> {
        let limit = way.place.connect_timeout;
        let opening = async {
            Ok(match way.protocol {
                Protocol::Mqtt => Self::Mqtt(Box::new(MqttTalk::open(&way).await?)),
                Protocol::Amqp => Self::Amqp(Box::new(AmqpTalk::open(&way).await?)),
            })
        };
        let late = |_| Err(Trouble::new("the hub grants no subscriptions"));
        timeout(limit, Box::pin(opening)).await.unwrap_or_else(late)
    }

    /// May be dropped and called again.
    pub(super) async fn hear(&mut self) -> Result<Heard, Trouble> {
        match self {
            Self::Mqtt(talk) => talk.hear().await,
            Self::Amqp(talk) => talk.hear().await,
        }
    }

    pub(super) fn ask_twin(&mut self, request: &str) {
        match self {
            Self::Mqtt(talk) => talk.ask_twin(request),
            Self::Amqp(talk) => talk.ask_twin(request),
        }
    }

    pub(super) fn report(&mut self, request: &str, patch: Bytes) {
        match self {
            Self::Mqtt(talk) => talk.report(request, patch),
            Self::Amqp(talk) => talk.report(request, &patch),
        }
    }

    pub(super) fn send(&mut self, content_type: &'static str, body: Bytes) {
        match self {
            Self::Mqtt(talk) => talk.send_message(content_type, body),
            Self::Amqp(talk) => talk.send_message(content_type, &body),
        }
    }

    pub(super) fn answer(&mut self, call: &CallId, status: u16, payload: Bytes) {
        match self {
            Self::Mqtt(talk) => talk.answer(call, status, payload),
            Self::Amqp(talk) => talk.answer(call, status, &payload),
        }
    }

    /// Shows another ticket; `false` where only a new connection does that.
    pub(super) fn renew(&mut self, token: &Token) -> bool {
        match self {
            Self::Mqtt(_) => false,
            Self::Amqp(talk) => talk.renew(token),
        }
    }
}
