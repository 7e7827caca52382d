//! `POST /devices/{id}/messages/events`: telemetry over HTTPS, one message or a batch.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use skerry_model::message::{Ack, Message, MessageError};
use skerry_model::{ErrorCode, IdentityId, Timestamp};

use super::route::check_version;
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::devices::TooFast;
use crate::telemetry::PublishError;

/// What says that the body is a batch.
const BATCH: &str = "application/vnd.microsoft.iothub.json";
const APPLICATION: &str = "iothub-app-";
/// More messages than fit into the bytes of a batch, even if they are empty.
const BATCH_MESSAGES_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    body: String,
    #[serde(default = "yes")]
    base64_encoded: bool,
    #[serde(default)]
    properties: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl Hub {
    pub(super) async fn take_messages(
        &self,
        request: &Request,
        device: &str,
        module: Option<&str>,
    ) -> Result<Reply, Problem> {
        check_version(request)?;
        let (device, module) = (device.parse()?, module.map(str::parse).transpose()?);
        let sender = self.authorizer.sender(&request.proof(), device, module).await?;
        let is_batch = request.header("content-type").is_some_and(|content| {
            content.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(BATCH))
        });
        let messages = if is_batch { batch(request)? } else { vec![single(request)?] };
        let identity = IdentityId { device: sender.device.clone(), module: sender.module.clone() };
        self.devices.wait_for_turn(&identity, messages.len()).await?;
        self.telemetry.publish(&sender, messages).await?;
        Ok(Reply::empty())
    }
}

pub(super) fn single(request: &Request) -> Result<Message, Problem> {
    let mut message = Message { body: request.body.clone(), ..Message::default() };
    for (name, value) in texts(&request.head.headers)? {
        set(&mut message, name, value)?;
    }
    Ok(message)
}

/// The headers that speak of the message.
fn texts(headers: &HeaderMap) -> Result<Vec<(&str, &str)>, Problem> {
    let ours = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("iothub-") || name.as_str() == "dt-subject");
    ours.map(|(name, value)| match value.to_str() {
        Ok(text) => Ok((name.as_str(), text)),
        Err(_) => Err(Problem::argument(format!("the header {name} is not ASCII text"))),
    })
    .collect()
}

fn batch(request: &Request) -> Result<Vec<Message>, Problem> {
    let items: Vec<Item> = request.json()?;
    if items.is_empty() || items.len() > BATCH_MESSAGES_MAX {
        return Err(Problem::argument(format!(
            "a batch holds 1 to {BATCH_MESSAGES_MAX} messages, this one {}",
            items.len()
        )));
    }
    let message = |(at, item): (usize, Item)| {
        let body = match item.base64_encoded {
            true => STANDARD.decode(&item.body).map_err(|_| {
                Problem::argument(format!(
                    "the body of message {at} is not base64, set base64Encoded to false for plain text"
                ))
            })?,
            false => item.body.into_bytes(),
        };
        let mut message = Message { body: body.into(), ..Message::default() };
        for (name, value) in &item.properties {
            match value {
                Value::Null => {}
                Value::String(text) => set(&mut message, name, text)?,
                other => set(&mut message, name, &other.to_string())?,
            }
        }
        Ok(message)
    };
    items.into_iter().enumerate().map(message).collect()
}

/// A property under its name on the wire; names of the system that this API does not have mean
/// nothing here.
fn set(message: &mut Message, name: &str, value: &str) -> Result<(), Problem> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(APPLICATION) {
        let name = name.get(APPLICATION.len()..).unwrap_or_default();
        message.application.push((name.to_owned(), value.to_owned()));
        return Ok(());
    }
    let system = &mut message.system;
    let text = Some(value.to_owned());
    match lower.as_str() {
        "iothub-messageid" => system.message_id = text,
        "iothub-correlationid" => system.correlation_id = text,
        "iothub-userid" => system.user_id = text,
        "iothub-to" => {}
        "iothub-contenttype" => system.content_type = text,
        "iothub-contentencoding" => system.content_encoding = text,
        "iothub-messageschema" => system.schema = text,
        "iothub-interface-id" => system.interface_id = text,
        "dt-subject" => system.component = text,
        "iothub-expiry" => system.expiry = Some(time(name, value)?),
        "iothub-creationtimeutc" => system.creation_time = Some(time(name, value)?),
        "iothub-ack" => {
            let unknown = || Problem::argument(format!("{name} must be none, positive, negative or full"));
            system.ack = Some(Ack::from_wire(value).ok_or_else(unknown)?);
        }
        _ => {}
    }
    Ok(())
}

fn time(name: &str, value: &str) -> Result<Timestamp, Problem> {
    value
        .parse()
        .map_err(|_| Problem::argument(format!("{name} must be a time such as 2026-01-02T03:04:05Z")))
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let code = match &error {
            PublishError::Message(MessageError::Size { .. }) => ErrorCode::MessageTooLarge,
            PublishError::Message(_) => ErrorCode::ArgumentInvalid,
            PublishError::Log(_) => ErrorCode::ServiceUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<TooFast> for Problem {
    fn from(error: TooFast) -> Self {
        Self::new(ErrorCode::ThrottlingException, error.to_string())
    }
}
