//! Bytes to sections.

use bytes::Bytes;

use super::properties::{Header, Properties};
use super::{Body, MessageError, Sections};
use crate::codec::{CodecLimits, DecodeError, Input, Text, Value, skip_value};
use crate::performative::{descriptor, number};

impl Sections {
    pub fn decode(bytes: Bytes, limits: CodecLimits) -> Result<Self, MessageError> {
        let mut input = Input::new(bytes, limits);
        let mut sections = Self::default();
        let mut sequences = Vec::new();
        let (mut last, mut count) = (0, 0);
        while !input.is_empty() {
            count += 1;
            if count > limits.items_max {
                return Err(DecodeError::Items { items_max: limits.items_max }.into());
            }
            let number = number(&input.descriptor()?)?;
            let may_repeat = matches!(number, descriptor::DATA | descriptor::SEQUENCE);
            if number < last || (number == last && !may_repeat) {
                return Err(MessageError::Order);
            }
            last = number;
            if number == descriptor::SEQUENCE {
                sequences.push(skipped(&mut input)?);
            } else {
                sections.read(number, &mut input)?;
            }
        }
        // All in all they are one.
        match (sequences.len(), &sections.body) {
            (0, _) => {}
            (1, Body::Nothing) => sections.body = Body::Sequence(sequences.remove(0)),
            (_, Body::Nothing) => sections.body = Body::Sequence(sequences.concat().into()),
            _ => return Err(MessageError::Order),
        }
        Ok(sections)
    }

    fn read(&mut self, number: u64, input: &mut Input) -> Result<(), MessageError> {
        match number {
            descriptor::HEADER => self.header = Some(Header::decode(input)?),
            descriptor::DELIVERY_ANNOTATIONS => self.delivery_annotations = map(input)?,
            descriptor::MESSAGE_ANNOTATIONS => self.annotations = map(input)?,
            descriptor::PROPERTIES => self.properties = Properties::decode(input)?,
            descriptor::APPLICATION_PROPERTIES => {
                let named = |(name, value)| match name {
                    Value::String(name) => Ok((name, value)),
                    // Not as it should be, and there are clients that do so.
                    Value::Symbol(name) => Ok((Text::from(name.as_str()), value)),
                    _ => Err(DecodeError::Type { expected: "a name" }),
                };
                self.application = map(input)?.into_iter().map(named).collect::<Result<_, _>>()?;
            }
            descriptor::DATA => {
                let Value::Binary(bytes) = input.value()? else {
                    return Err(DecodeError::Type { expected: "binary" }.into());
                };
                self.body = match std::mem::take(&mut self.body) {
                    Body::Nothing => Body::Data(bytes),
                    Body::Data(first) => Body::Datas(vec![first, bytes]),
                    Body::Datas(mut pieces) => {
                        pieces.push(bytes);
                        Body::Datas(pieces)
                    }
                    Body::Value(_) | Body::Sequence(_) => return Err(MessageError::Order),
                };
            }
            descriptor::VALUE => match self.body {
                Body::Nothing => self.body = Body::Value(skipped(input)?),
                _ => return Err(MessageError::Order),
            },
            descriptor::FOOTER => drop(skipped(input)?),
            found => return Err(DecodeError::Descriptor { found }.into()),
        }
        Ok(())
    }
}

fn map(input: &mut Input) -> Result<Vec<(Value, Value)>, DecodeError> {
    match input.value()? {
        Value::Map(entries) => Ok(entries),
        Value::Null => Ok(Vec::new()),
        _ => Err(DecodeError::Type { expected: "map" }),
    }
}

/// The bytes of the next value.
fn skipped(input: &mut Input) -> Result<Bytes, DecodeError> {
    let before = input.clone();
    skip_value(input)?;
    let bytes = before.into_rest();
    let len = bytes.len() - input.rest().len();
    Ok(bytes.slice(..len))
}
