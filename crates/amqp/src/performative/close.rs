//! The ends of links, sessions and connections.

use crate::codec::{DecodeError, Input, missing};

use super::fault::Fault;
use super::{Put, descriptor, put_described};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detach {
    pub handle: u32,
    /// The link is over, not only laid aside.
    pub is_closed: bool,
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Close {
    pub fault: Option<Fault>,
}

impl Detach {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                handle: missing("handle", fields.uint()?)?,
                is_closed: fields.boolean()?.unwrap_or_default(),
                fault: Fault::from_value(&fields.any()?)?,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::DETACH, 3, |put| {
            put.uint(Some(self.handle));
            put.boolean(self.is_closed);
            put_fault(put, self.fault.as_ref());
        });
    }
}

impl End {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| Ok(Self { fault: Fault::from_value(&fields.any()?)? }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::END, 1, |put| put_fault(put, self.fault.as_ref()));
    }
}

impl Close {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| Ok(Self { fault: Fault::from_value(&fields.any()?)? }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::CLOSE, 1, |put| put_fault(put, self.fault.as_ref()));
    }
}

fn put_fault(put: &mut Put<'_>, fault: Option<&Fault>) {
    match fault {
        Some(fault) => fault.encode(put.out),
        None => put.null(),
    }
}
