//! A message: sections one behind the other.

mod carried;
mod properties;
mod read;
mod write;

use bytes::Bytes;

use crate::codec::{DecodeError, Text, Value};
pub use carried::{MessageInvalid, from_wire, milliseconds, read_batch, time, to_properties, to_wire, uuid};
pub use properties::{Header, Properties};
pub use write::{MapWriter, Writer};

/// The format of batches: each data section is a message.
pub const BATCH_FORMAT: u32 = 0x8001_3700;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sections {
    pub header: Option<Header>,
    /// Of the last stretch of the way.
    pub delivery_annotations: Vec<(Value, Value)>,
    pub annotations: Vec<(Value, Value)>,
    pub properties: Properties,
    pub application: Vec<(Text, Value)>,
    pub body: Body,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    #[default]
    Nothing,
    Data(Bytes),
    /// More than one data section.
    Datas(Vec<Bytes>),
    /// Encoded, and looked at only by who wants it.
    Value(Bytes),
    Sequence(Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the sections of the message stand in another order than they may")]
    Order,
}

impl Sections {
    pub fn annotation(&self, name: &str) -> Option<&Value> {
        find(&self.annotations, name)
    }

    pub fn property(&self, name: &str) -> Option<&Value> {
        self.application.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    /// The bytes of the body: of data as they are, of a text or bytes in a value without their type.
    pub fn body_bytes(&self) -> Result<Bytes, MessageError> {
        Ok(match &self.body {
            Body::Nothing => Bytes::new(),
            Body::Data(bytes) => bytes.clone(),
            Body::Datas(pieces) => pieces.concat().into(),
            Body::Value(encoded) | Body::Sequence(encoded) => match self.body_value()? {
                Value::Binary(bytes) => bytes,
                Value::String(text) => Bytes::copy_from_slice(text.as_bytes()),
                Value::Null => Bytes::new(),
                _ => encoded.clone(),
            },
        })
    }

    /// The value in the body, where it is one.
    pub fn body_value(&self) -> Result<Value, MessageError> {
        match &self.body {
            Body::Value(encoded) => {
                let mut input =
                    crate::codec::Input::new(encoded.clone(), crate::codec::CodecLimits::default());
                Ok(input.value()?)
            }
            _ => Ok(Value::Null),
        }
    }
}

/// The value of a name in a map with symbols or strings as keys.
pub fn find<'a>(map: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
