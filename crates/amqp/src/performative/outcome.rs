//! What a receiver says of a message.

use crate::codec::{DecodeError, Value};

use super::fault::Fault;
use super::{descriptor, put_described, reread};

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Accepted,
    Rejected(Option<Fault>),
    Released,
    /// To be delivered again, with a note whether it counts as failed and whether not here.
    Modified {
        is_failed: bool,
        is_undeliverable: bool,
    },
    /// A part has come; no outcome yet.
    Received {
        section: u32,
        offset: u64,
    },
}

impl Outcome {
    /// `None` for null, and for states that are not known here: of transactions.
    pub(super) fn from_value(value: &Value) -> Result<Option<Self>, DecodeError> {
        match value {
            Value::Null => return Ok(None),
            // Nearly all.
            Value::Described(described) if described.descriptor == Value::Ulong(descriptor::ACCEPTED) => {
                return Ok(Some(Self::Accepted));
            }
            _ => {}
        }
        reread(value, |number, input| {
            Ok(Some(match number {
                descriptor::ACCEPTED => Self::Accepted,
                descriptor::RELEASED => Self::Released,
                descriptor::REJECTED => {
                    Self::Rejected(input.fields(|fields| Fault::from_value(&fields.any()?))?)
                }
                descriptor::MODIFIED => input.fields(|fields| {
                    let is_failed = fields.boolean()?.unwrap_or_default();
                    let is_undeliverable = fields.boolean()?.unwrap_or_default();
                    Ok(Self::Modified { is_failed, is_undeliverable })
                })?,
                descriptor::RECEIVED => input.fields(|fields| {
                    let section = fields.uint()?.unwrap_or_default();
                    Ok(Self::Received { section, offset: fields.ulong()?.unwrap_or_default() })
                })?,
                _ => return Ok(None),
            }))
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Accepted => put_described(out, descriptor::ACCEPTED, 0, |_| {}),
            Self::Released => put_described(out, descriptor::RELEASED, 0, |_| {}),
            Self::Rejected(fault) => put_described(out, descriptor::REJECTED, 1, |put| match fault {
                Some(fault) => fault.encode(put.out),
                None => put.null(),
            }),
            Self::Modified { is_failed, is_undeliverable } => {
                put_described(out, descriptor::MODIFIED, 3, |put| {
                    put.boolean(*is_failed);
                    put.boolean(*is_undeliverable);
                    put.null();
                });
            }
            Self::Received { section, offset } => put_described(out, descriptor::RECEIVED, 2, |put| {
                put.uint(Some(*section));
                put.value(&Value::Ulong(*offset));
            }),
        }
    }

    pub fn rejected(fault: Fault) -> Self {
        Self::Rejected(Some(fault))
    }
}
