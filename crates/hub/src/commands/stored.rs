//! A command as a document: a slip with what the queue needs, and the message as bytes.
//!
//! ```text
//!  identity   the slip, as JSON; an abandon rewrites it and nothing else
//!  packed     version, length of the head (u32, little-endian), head as JSON, body
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use skerry_model::Timestamp;
use skerry_model::message::{Ack, Message, SystemProperties};
use skerry_store::documents::{Body, Document, Json};

const VERSION: u8 = 1;

/// What a queue knows of one command.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slip {
    pub(super) message_id: String,
    pub(super) ack: Ack,
    pub(super) enqueued: Timestamp,
    pub(super) expires: Timestamp,
    /// Deliveries that were given up.
    pub(super) deliveries: u32,
}

/// A stored command cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored command {name} of {device} is damaged ({what}); purge the device's commands")]
pub struct StoredError {
    pub device: String,
    pub name: String,
    pub what: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlipPart {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message_id: String,
    ack: String,
    enqueued: Timestamp,
    expires: Timestamp,
    deliveries: u32,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Head {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    application: Vec<(String, String)>,
}

impl Slip {
    pub(super) fn encode(&self) -> Json {
        let part = SlipPart {
            message_id: self.message_id.clone(),
            ack: self.ack.as_str().to_owned(),
            enqueued: self.enqueued,
            expires: self.expires,
            deliveries: self.deliveries,
        };
        Json::encode(&serde_json::to_value(part).expect("texts and numbers are JSON"))
    }

    pub(super) fn read(document: &Document) -> Result<Self, StoredError> {
        let value = document.body.identity.decode().map_err(|error| damaged(document, &error))?;
        let part: SlipPart = serde_json::from_value(value).map_err(|error| damaged(document, &error))?;
        let ack = Ack::from_wire(&part.ack).ok_or_else(|| damaged(document, &"unknown acknowledgement"))?;
        Ok(Self {
            message_id: part.message_id,
            ack,
            enqueued: part.enqueued,
            expires: part.expires,
            deliveries: part.deliveries,
        })
    }
}

/// The whole document.
pub(super) fn body(slip: &Slip, message: Message) -> Body {
    let Message { body, system, application } = message;
    let head = Head {
        message_id: system.message_id,
        correlation_id: system.correlation_id,
        user_id: system.user_id,
        to: system.to,
        content_type: system.content_type,
        content_encoding: system.content_encoding,
        expiry: system.expiry,
        creation_time: system.creation_time,
        ack: system.ack.map(|ack| ack.as_str().to_owned()),
        schema: system.schema,
        interface_id: system.interface_id,
        component: system.component,
        output: system.output,
        input: system.input,
        application,
    };
    let head = serde_json::to_vec(&head).expect("texts are JSON");
    let len = u32::try_from(head.len()).expect("a message is bounded far below 4 GiB");
    let mut packed = Vec::with_capacity(5 + head.len() + body.len());
    packed.push(VERSION);
    packed.extend_from_slice(&len.to_le_bytes());
    packed.extend_from_slice(&head);
    packed.extend_from_slice(&body);
    Body { identity: slip.encode(), packed, ..Body::default() }
}

pub(super) fn message(document: &Document) -> Result<Message, StoredError> {
    let (head, body) = split(&document.body.packed).ok_or_else(|| damaged(document, &"it is cut short"))?;
    let head: Head = serde_json::from_slice(head).map_err(|error| damaged(document, &error))?;
    let system = SystemProperties {
        message_id: head.message_id,
        correlation_id: head.correlation_id,
        user_id: head.user_id,
        to: head.to,
        content_type: head.content_type,
        content_encoding: head.content_encoding,
        expiry: head.expiry,
        creation_time: head.creation_time,
        ack: head.ack.as_deref().and_then(Ack::from_wire),
        schema: head.schema,
        interface_id: head.interface_id,
        component: head.component,
        output: head.output,
        input: head.input,
    };
    Ok(Message { body: Bytes::copy_from_slice(body), system, application: head.application })
}

fn split(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (version, rest) = packed.split_first()?;
    let (len, rest) = rest.split_first_chunk()?;
    if *version != VERSION {
        return None;
    }
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

fn damaged(document: &Document, what: &dyn std::fmt::Display) -> StoredError {
    let key = &document.key;
    StoredError { device: key.group.clone(), name: key.name.clone(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use skerry_store::documents::Revision;

    use super::*;
    use crate::commands::name::command_key;

    #[test]
    fn commands_come_back_and_what_is_cut_is_told() {
        let time: Timestamp = "2026-01-02T03:04:05.1234567Z".parse().unwrap();
        let slip =
            Slip { message_id: "m1".into(), ack: Ack::Full, enqueued: time, expires: time, deliveries: 3 };
        let system = SystemProperties {
            message_id: Some("m1".into()),
            to: Some("/devices/d1/messages/devicebound".into()),
            expiry: Some(time),
            ack: Some(Ack::Full),
            ..SystemProperties::default()
        };
        let application = vec![("ä".into(), "\"\0".into()), ("b".into(), String::new())];
        let sent = Message { body: Bytes::from_static(&[0, 255, 7]), system, application };
        let identity = skerry_model::IdentityId { device: "d1".parse().unwrap(), module: None };
        let key = command_key(&identity, "637", 1);
        let mut document = Document { key, revision: Revision::ZERO, body: body(&slip, sent.clone()) };
        assert_eq!(Slip::read(&document), Ok(slip));
        assert_eq!(message(&document), Ok(sent));
        document.body.packed.truncate(20);
        assert!(message(&document).is_err());
        document.body.packed.clear();
        assert!(message(&document).is_err());
    }
}
