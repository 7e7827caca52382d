//! A message as it comes out of the log, and as people and scripts read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use skerry_model::message::Ack;
use skerry_store::log::{Partition, Record};

use super::stamp::{Stamp, StampError};

/// A stored message with its place.
#[derive(Clone, Debug)]
pub struct Event {
    pub partition: Partition,
    pub record: Record,
    pub stamp: Stamp,
}

impl Event {
    pub fn new(partition: Partition, record: Record) -> Result<Self, StampError> {
        let stamp = Stamp::decode(&record.headers)?;
        Ok(Self { partition, record, stamp })
    }

    /// One JSON object. The body is JSON where the sender says so and it is, else text, else base64.
    pub fn json(&self) -> Value {
        let stamp = &self.stamp;
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
        put("partition", self.partition.number().into());
        put("sequence", self.record.sequence.number().into());
        put("enqueuedTime", self.record.time.to_string().into());
        put("deviceId", stamp.device.as_str().into());
        if let Some(module) = &stamp.module {
            put("moduleId", module.as_str().into());
        }
        put("source", stamp.source.wire().into());
        put("authMethod", serde_json::from_str(&stamp.method).unwrap_or(Value::Null));
        put("authGenerationId", stamp.generation.as_str().into());
        let system = self.system();
        if !system.is_empty() {
            put("systemProperties", Value::Object(system));
        }
        if !stamp.application.is_empty() {
            let application =
                stamp.application.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            put("properties", Value::Object(application.collect()));
        }
        let (name, body) = self.body();
        put(name, body);
        Value::Object(event)
    }

    fn system(&self) -> Map<String, Value> {
        let system = &self.stamp.system;
        let texts = [
            ("messageId", system.message_id.clone()),
            ("correlationId", system.correlation_id.clone()),
            ("userId", system.user_id.clone()),
            ("to", system.to.clone()),
            ("contentType", system.content_type.clone()),
            ("contentEncoding", system.content_encoding.clone()),
            ("expiryTimeUtc", system.expiry.map(|time| time.to_string())),
            ("creationTimeUtc", system.creation_time.map(|time| time.to_string())),
            ("ack", system.ack.map(Ack::as_str).map(str::to_owned)),
            ("schema", system.schema.clone()),
            ("interfaceId", system.interface_id.clone()),
            ("component", system.component.clone()),
            ("outputName", system.output.clone()),
            ("inputName", system.input.clone()),
        ];
        let known = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
        known.collect()
    }

    fn body(&self) -> (&'static str, Value) {
        let bytes = &self.record.payload;
        let says_json = self
            .stamp
            .system
            .content_type
            .as_deref()
            .is_some_and(|content| content.to_ascii_lowercase().starts_with("application/json"));
        match (says_json, std::str::from_utf8(bytes)) {
            (true, Ok(text)) if let Ok(value) = serde_json::from_str(text) => ("body", value),
            (_, Ok(text)) => ("body", json!(text)),
            (_, Err(_)) => ("bodyBase64", STANDARD.encode(bytes).into()),
        }
    }
}
