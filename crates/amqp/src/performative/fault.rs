//! Why something ended or was not taken.

use crate::codec::{DecodeError, Symbol, Text, Value, missing};

use super::{descriptor, put_described, reread};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    pub condition: Symbol,
    pub description: Option<Text>,
    pub info: Value,
}

/// Conditions by their names on the wire.
pub mod condition {
    pub const INTERNAL_ERROR: &str = "amqp:internal-error";
    pub const NOT_FOUND: &str = "amqp:not-found";
    pub const UNAUTHORIZED_ACCESS: &str = "amqp:unauthorized-access";
    pub const DECODE_ERROR: &str = "amqp:decode-error";
    pub const RESOURCE_LIMIT_EXCEEDED: &str = "amqp:resource-limit-exceeded";
    pub const NOT_ALLOWED: &str = "amqp:not-allowed";
    pub const INVALID_FIELD: &str = "amqp:invalid-field";
    pub const NOT_IMPLEMENTED: &str = "amqp:not-implemented";
    pub const CONNECTION_FORCED: &str = "amqp:connection:forced";
    pub const FRAMING_ERROR: &str = "amqp:connection:framing-error";
    pub const WINDOW_VIOLATION: &str = "amqp:session:window-violation";
    pub const ERRANT_LINK: &str = "amqp:session:errant-link";
    pub const HANDLE_IN_USE: &str = "amqp:session:handle-in-use";
    pub const UNATTACHED_HANDLE: &str = "amqp:session:unattached-handle";
    pub const DETACH_FORCED: &str = "amqp:link:detach-forced";
    pub const TRANSFER_LIMIT_EXCEEDED: &str = "amqp:link:transfer-limit-exceeded";
    pub const MESSAGE_SIZE_EXCEEDED: &str = "amqp:link:message-size-exceeded";
    pub const REDIRECT: &str = "amqp:link:redirect";
    pub const STOLEN: &str = "amqp:link:stolen";
}

impl Fault {
    pub fn new(condition: &'static str, description: impl Into<String>) -> Self {
        let description = Some(Text::from(description.into()));
        Self { condition: Symbol::known(condition), description, info: Value::Null }
    }

    pub(super) fn from_value(value: &Value) -> Result<Option<Self>, DecodeError> {
        if value.is_null() {
            return Ok(None);
        }
        reread(value, |number, input| {
            if number != descriptor::ERROR {
                return Err(DecodeError::Descriptor { found: number });
            }
            input.fields(|fields| {
                Ok(Some(Self {
                    condition: missing("condition", fields.symbol()?)?,
                    description: fields.string()?,
                    info: fields.map()?,
                }))
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::ERROR, 3, |put| {
            put.value(&Value::Symbol(self.condition.clone()));
            put.some(self.description.clone(), Value::String);
            put.value(&self.info);
        });
    }
}
