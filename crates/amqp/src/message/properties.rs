//! The header and the properties of a message.

use bytes::Bytes;

use crate::codec::{DecodeError, Input, Symbol, Text, Value};
use crate::performative::{Put, descriptor, put_described};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub is_durable: bool,
    pub priority: Option<u8>,
    pub ttl_ms: Option<u32>,
    pub is_first_acquirer: bool,
    pub delivery_count: u32,
}

/// Ids keep their type: whoever answers gives back the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    pub message_id: Value,
    pub user_id: Option<Bytes>,
    pub to: Value,
    pub subject: Option<Text>,
    pub reply_to: Value,
    pub correlation_id: Value,
    pub content_type: Option<Symbol>,
    pub content_encoding: Option<Symbol>,
    /// Milliseconds since 1970, as other times.
    pub expiry: Option<i64>,
    pub creation: Option<i64>,
    pub group_id: Option<Text>,
    pub group_sequence: Option<u32>,
    pub reply_to_group: Option<Text>,
}

impl Header {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                is_durable: fields.boolean()?.unwrap_or_default(),
                priority: fields.ubyte()?,
                ttl_ms: fields.uint()?,
                is_first_acquirer: fields.boolean()?.unwrap_or_default(),
                delivery_count: fields.uint()?.unwrap_or_default(),
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::HEADER, 5, |put| {
            put.boolean(self.is_durable);
            put.some(self.priority, Value::Ubyte);
            put.uint(self.ttl_ms);
            put.boolean(self.is_first_acquirer);
            put.uint(Some(self.delivery_count));
        });
    }
}

impl Properties {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                message_id: fields.any()?,
                user_id: fields.binary()?,
                to: fields.any()?,
                subject: fields.string()?,
                reply_to: fields.any()?,
                correlation_id: fields.any()?,
                content_type: as_symbol(fields.any()?)?,
                content_encoding: as_symbol(fields.any()?)?,
                expiry: as_time(&fields.any()?)?,
                creation: as_time(&fields.any()?)?,
                group_id: fields.string()?,
                group_sequence: fields.uint()?,
                reply_to_group: fields.string()?,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::PROPERTIES, 13, |put| {
            put.value(&self.message_id);
            put.some(self.user_id.clone(), Value::Binary);
            put.value(&self.to);
            put_text(put, self.subject.as_ref());
            put.value(&self.reply_to);
            put.value(&self.correlation_id);
            put.some(self.content_type.clone(), Value::Symbol);
            put.some(self.content_encoding.clone(), Value::Symbol);
            put.some(self.expiry, Value::Timestamp);
            put.some(self.creation, Value::Timestamp);
            put_text(put, self.group_id.as_ref());
            put.uint(self.group_sequence);
            put_text(put, self.reply_to_group.as_ref());
        });
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn put_text(put: &mut Put<'_>, text: Option<&Text>) {
    put.some(text.cloned(), Value::String);
}

/// There are clients that write strings.
fn as_symbol(value: Value) -> Result<Option<Symbol>, DecodeError> {
    match value {
        Value::Null => Ok(None),
        Value::Symbol(symbol) => Ok(Some(symbol)),
        Value::String(text) => {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            Ok(Some(Symbol::new(bytes).ok_or(DecodeError::Text)?))
        }
        _ => Err(DecodeError::Type { expected: "symbol" }),
    }
}

/// There are clients that write numbers of milliseconds.
fn as_time(value: &Value) -> Result<Option<i64>, DecodeError> {
    match value {
        Value::Null => Ok(None),
        value => value.as_integer().map(Some).ok_or(DecodeError::Type { expected: "timestamp" }),
    }
}
