//! Between the sections of the wire and the messages of the house.
//!
//! | field | section and name |
//! |---|---|
//! | message id, correlation id, user id, to, expiry, content type and encoding | properties |
//! | output | application property `iothub-outputname` |
//! | creation time | `iothub-creation-time-utc`, else of the properties |
//! | schema, ack | `iothub-message-schema`, `iothub-ack` |
//! | interface, component | annotations `iothub-interface-id`, `dt-subject` |

use bytes::Bytes;
use skerry_model::Timestamp;
use skerry_model::message::{Ack, Message, System};

use super::properties::Properties;
use super::{BATCH_FORMAT, Body, MessageError, Sections, Writer};
use crate::codec::{CodecLimits, Symbol, Value};

const OUTPUT: &str = "iothub-outputname";
const CREATION: &str = "iothub-creation-time-utc";
const SCHEMA: &str = "iothub-message-schema";
const ACK: &str = "iothub-ack";
const INTERFACE: &str = "iothub-interface-id";
const COMPONENT: &str = "dt-subject";
/// Messages in one batch.
const BATCH_MAX: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageInvalid {
    #[error(transparent)]
    Sections(#[from] MessageError),
    #[error("{name} must be a time such as 2026-01-02T03:04:05.1234567Z")]
    Time { name: &'static str },
    #[error("iothub-ack must be none, positive, negative or full, not {found}")]
    Ack { found: String },
    #[error("the property {name} has a type that has no text")]
    Type { name: String },
    #[error("a batch holds more than {BATCH_MAX} messages")]
    Batch,
}

/// The messages of one transfer: one, or those of a batch.
pub fn read_batch(format: u32, payload: Bytes, into: &mut Vec<Message>) -> Result<(), MessageInvalid> {
    let sections = decode(payload)?;
    if format != BATCH_FORMAT {
        into.push(from_wire(sections)?);
        return Ok(());
    }
    let pieces = match sections.body {
        Body::Data(piece) => vec![piece],
        Body::Datas(pieces) => pieces,
        _ => Vec::new(),
    };
    if pieces.len() > BATCH_MAX {
        return Err(MessageInvalid::Batch);
    }
    for piece in pieces {
        into.push(from_wire(decode(piece)?)?);
    }
    Ok(())
}

fn decode(bytes: Bytes) -> Result<Sections, MessageInvalid> {
    Ok(Sections::decode(bytes, CodecLimits::default())?)
}

pub fn from_wire(sections: Sections) -> Result<Message, MessageInvalid> {
    let body = sections.body_bytes()?;
    let Sections { annotations, properties, application, .. } = sections;
    let mut system = System::default();
    if !properties.is_empty() {
        from_properties(properties, &mut system)?;
    }
    for (key, value) in annotations {
        // Others are of the way, not of the message.
        let place = match key.as_text() {
            Some(INTERFACE) => &mut system.interface_id,
            Some(COMPONENT) => &mut system.component,
            _ => continue,
        };
        *place = Some(text(&value).ok_or(MessageInvalid::Type { name: INTERFACE.to_owned() })?);
    }
    let mut kept = Vec::with_capacity(application.len());
    for (name, value) in application {
        let value = text(&value).ok_or_else(|| MessageInvalid::Type { name: name.to_string() })?;
        match &*name {
            OUTPUT => system.output = Some(value),
            SCHEMA => system.schema = Some(value),
            ACK => system.ack = Some(Ack::from_wire(&value).ok_or(MessageInvalid::Ack { found: value })?),
            CREATION => {
                let time = value.parse().map_err(|_| MessageInvalid::Time { name: CREATION })?;
                system.creation_time = Some(time);
            }
            _ => kept.push((name.to_string(), value)),
        }
    }
    Ok(Message { body, system, application: kept })
}

/// A device's message as [`from_wire`] reads it.
pub fn to_wire(message: &Message) -> Vec<u8> {
    let Message { body, system, application } = message;
    let mut out = Vec::with_capacity(256 + body.len());
    let mut writer = Writer::new(&mut out);
    let annotations = [(INTERFACE, &system.interface_id), (COMPONENT, &system.component)];
    if annotations.iter().any(|(_, text)| text.is_some()) {
        let mut map = writer.annotations();
        for (name, text) in annotations {
            if let Some(text) = text {
                map.symbol_text(name, text);
            }
        }
    }
    if !system.is_untouched() {
        writer.properties(&to_properties(system));
    }
    let creation = system.creation_time.map(|time| time.to_string());
    let ack = system.ack.map(|ack| ack.as_str().to_owned());
    let named = [(OUTPUT, &system.output), (CREATION, &creation), (SCHEMA, &system.schema), (ACK, &ack)];
    if !application.is_empty() || named.iter().any(|(_, text)| text.is_some()) {
        let mut map = writer.application();
        for (name, text) in named {
            if let Some(text) = text {
                map.string_text(name, text);
            }
        }
        for (name, value) in application {
            map.string_text(name, value);
        }
    }
    writer.data(body);
    out
}

fn from_properties(properties: Properties, system: &mut System) -> Result<(), MessageInvalid> {
    let id = |value: &Value, name: &str| match value {
        Value::Null => Ok(None),
        value => text(value).map(Some).ok_or(MessageInvalid::Type { name: name.to_owned() }),
    };
    system.message_id = id(&properties.message_id, "message-id")?;
    system.correlation_id = id(&properties.correlation_id, "correlation-id")?;
    system.to = id(&properties.to, "to")?;
    system.user_id = properties.user_id.map(|user| String::from_utf8_lossy(&user).into_owned());
    system.content_type = properties.content_type.map(|symbol| symbol.to_string());
    system.content_encoding = properties.content_encoding.map(|symbol| symbol.to_string());
    system.expiry = properties.expiry.map(time);
    system.creation_time = properties.creation.map(time);
    Ok(())
}

/// What a message says of itself, as properties; ids are strings, as the SDKs of all languages take them.
pub fn to_properties(system: &System) -> Properties {
    let string = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::string);
    let symbol = |text: &Option<String>| Symbol::new(Bytes::copy_from_slice(text.as_deref()?.as_bytes()));
    Properties {
        message_id: string(&system.message_id),
        user_id: system.user_id.as_ref().map(|user| Bytes::copy_from_slice(user.as_bytes())),
        to: string(&system.to),
        correlation_id: string(&system.correlation_id),
        content_type: symbol(&system.content_type),
        content_encoding: symbol(&system.content_encoding),
        expiry: system.expiry.map(milliseconds),
        creation: system.creation_time.map(milliseconds),
        ..Properties::default()
    }
}

/// A moment from milliseconds since 1970; what is out of bounds is at them.
pub fn time(milliseconds: i64) -> Timestamp {
    let epoch = Timestamp::from_unix_seconds(0).ticks();
    Timestamp::from_ticks(milliseconds.saturating_mul(10_000).saturating_add(epoch))
}

pub fn milliseconds(time: Timestamp) -> i64 {
    let epoch = Timestamp::from_unix_seconds(0).ticks();
    (time.ticks() - epoch).div_euclid(10_000)
}

/// Values of the simple types as the texts that people write for them.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.to_string(),
        Value::Symbol(symbol) => symbol.to_string(),
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Ubyte(value) => value.to_string(),
        Value::Ushort(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Ulong(value) => value.to_string(),
        Value::Byte(value) => value.to_string(),
        Value::Short(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Char(value) => value.to_string(),
        Value::Timestamp(value) => time(*value).to_string(),
        Value::Uuid(bytes) => uuid(bytes),
        Value::Binary(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
        _ => return None,
    })
}

/// The usual form, lower case.
pub fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}
