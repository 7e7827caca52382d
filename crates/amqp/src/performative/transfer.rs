//! A message, or a part of one; the payload comes behind it in the frame.

use bytes::Bytes;

use crate::codec::{DecodeError, Input, Value, missing};

use super::attach::ReceiverSettles;
use super::outcome::Outcome;
use super::{descriptor, put_described};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer {
    pub handle: u32,
    /// Only in the first frame of a message, like the tag and the format.
    pub delivery: Option<u32>,
    pub tag: Option<Bytes>,
    pub format: Option<u32>,
    /// Absent in later frames, which say nothing new.
    pub is_settled: Option<bool>,
    pub has_more: bool,
    pub receiver_settles: Option<ReceiverSettles>,
    pub state: Option<Outcome>,
    pub is_resume: bool,
    pub is_aborted: bool,
    pub is_batchable: bool,
}

impl Transfer {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                handle: missing("handle", fields.uint()?)?,
                delivery: fields.uint()?,
                tag: fields.binary()?,
                format: fields.uint()?,
                is_settled: fields.boolean()?,
                has_more: fields.boolean()?.unwrap_or_default(),
                receiver_settles: match fields.ubyte()? {
                    None => None,
                    Some(0) => Some(ReceiverSettles::First),
                    Some(1) => Some(ReceiverSettles::Second),
                    Some(_) => return Err(DecodeError::Type { expected: "a settle mode" }),
                },
                state: Outcome::from_value(&fields.any()?)?,
                is_resume: fields.boolean()?.unwrap_or_default(),
                is_aborted: fields.boolean()?.unwrap_or_default(),
                is_batchable: fields.boolean()?.unwrap_or_default(),
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::TRANSFER, 11, |put| {
            put.uint(Some(self.handle));
            put.uint(self.delivery);
            put.some(self.tag.clone(), Value::Binary);
            put.uint(self.format);
            put.some(self.is_settled, Value::Bool);
            put.boolean(self.has_more);
            put.some(self.receiver_settles, |mode| Value::Ubyte(mode as u8));
            match &self.state {
                Some(state) => state.encode(put.out),
                None => put.null(),
            }
            put.boolean(self.is_resume);
            put.boolean(self.is_aborted);
            put.boolean(self.is_batchable);
        });
    }
}
