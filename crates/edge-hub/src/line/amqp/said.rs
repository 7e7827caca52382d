//! What is said on the links of an identity, and what comes on them.

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use skerry_amqp::codec::{CodecLimits, Value};
use skerry_amqp::message::{MessageInvalid, Properties, Sections, Writer, from_wire, time};
use skerry_amqp::performative::Fault;
use skerry_model::Timestamp;
use skerry_model::message::Message;

use crate::line::carrier::{Heard, Told, TwinReply};

const REPORTED: &str = "/properties/reported";
const NOTIFICATIONS: &str = "/notifications/twin/properties/desired";
const METHOD_NAME: &str = "IoThub-methodname";
const METHOD_STATUS: &str = "IoThub-status";

/// A question about a twin.
pub(super) enum Question<'a> {
    Get,
    Report(&'a [u8]),
    Subscribe,
    Unsubscribe,
}

pub(super) fn question(name: &str, question: &Question<'_>) -> Bytes {
    let (operation, resource, body): (_, _, &[u8]) = match question {
        Question::Get => ("GET", "", b""),
        Question::Report(patch) => ("PATCH", REPORTED, patch),
        Question::Subscribe => ("PUT", NOTIFICATIONS, b""),
        Question::Unsubscribe => ("DELETE", NOTIFICATIONS, b""),
    };
    let mut out = Vec::with_capacity(128 + body.len());
    let mut writer = Writer::new(&mut out);
    {
        let mut annotations = writer.annotations();
        annotations.symbol_text("operation", operation);
        if !resource.is_empty() {
            annotations.symbol_text("resource", resource);
        }
    }
    writer.properties(&Properties { correlation_id: Value::string(name), ..Properties::default() });
    writer.data(body);
    out.into()
}

/// What comes about a twin.
pub(super) enum OfTwin {
    /// By the name of the question.
    Answer {
        name: String,
        reply: TwinReply,
    },
    Change(Heard),
}

pub(super) fn of_twin(payload: Bytes) -> Option<OfTwin> {
    let message = Sections::decode(payload, CodecLimits::default()).ok()?;
    let body = own(&message)?;
    // Changes name no question.
    let Some(name) = message.properties.correlation_id.as_text() else {
        let patch: Map<String, Json> = serde_json::from_slice(&body).ok()?;
        let version = patch.get("$version").and_then(Json::as_u64)?;
        return Some(OfTwin::Change(Heard::Desired { version, patch }));
    };
    let number = |name| message.annotation(name).and_then(Value::as_integer);
    // Without a status it went well.
    let status = number("status").map_or(Some(200), |status| u16::try_from(status).ok())?;
    let version = number("version").and_then(|version| u64::try_from(version).ok());
    Some(OfTwin::Answer { name: name.to_owned(), reply: TwinReply { status, version, body } })
}

/// The id with which a call is answered, its method and payload.
pub(super) fn call(payload: Bytes) -> Option<(Value, String, Bytes)> {
    let message = Sections::decode(payload, CodecLimits::default()).ok()?;
    let body = own(&message)?;
    let method = message.property(METHOD_NAME)?.as_text()?.to_owned();
    Some((message.properties.correlation_id, method, body))
}

pub(super) fn answer(call: Value, status: i64, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(128 + payload.len());
    let mut writer = Writer::new(&mut out);
    writer.properties(&Properties { correlation_id: call, ..Properties::default() });
    let status = i32::try_from(status).unwrap_or(i32::MAX);
    writer.application().string(METHOD_STATUS, &Value::Int(status));
    writer.data(payload);
    out.into()
}

pub(super) fn command(payload: Bytes) -> Result<Told, MessageInvalid> {
    let sections = Sections::decode(payload, CodecLimits::default())?;
    let number = |name| sections.annotation(name).and_then(Value::as_integer);
    let counted = number("iothub-deliverycount").and_then(|count| u32::try_from(count).ok());
    let deliveries =
        counted.or(sections.header.as_ref().map(|header| header.delivery_count)).unwrap_or_default();
    let enqueued = match sections.annotation("iothub-enqueuedtime") {
        Some(Value::Timestamp(milliseconds)) => time(*milliseconds),
        _ => Timestamp::NEVER,
    };
    let message = from_wire(sections)?;
    let message = Message { body: Bytes::copy_from_slice(&message.body), ..message };
    Ok(Told { message, again: deliveries > 0, deliveries, enqueued })
}

/// A copy: a slice of what was read would keep the whole block.
fn own(message: &Sections) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(&message.body_bytes().ok()?))
}

/// For people.
pub(super) fn told(fault: &Fault) -> String {
    match &fault.description {
        Some(text) => format!("{text} ({})", fault.condition),
        None => fault.condition.to_string(),
    }
}
