//! What became of messages.

use crate::codec::{DecodeError, Input, missing};

use super::attach::Role;
use super::outcome::Outcome;
use super::{descriptor, put_described};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disposition {
    /// Of who says it.
    pub role: Role,
    pub first: u32,
    /// The same as the first where it is absent.
    pub last: Option<u32>,
    pub is_settled: bool,
    pub state: Option<Outcome>,
    pub is_batchable: bool,
}

impl Disposition {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                role: Role::read(fields.boolean()?)?,
                first: missing("first", fields.uint()?)?,
                last: fields.uint()?,
                is_settled: fields.boolean()?.unwrap_or_default(),
                state: Outcome::from_value(&fields.any()?)?,
                is_batchable: fields.boolean()?.unwrap_or_default(),
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::DISPOSITION, 6, |put| {
            put.boolean(self.role.is_receiver());
            put.uint(Some(self.first));
            put.uint(self.last);
            put.boolean(self.is_settled);
            match &self.state {
                Some(state) => state.encode(put.out),
                None => put.null(),
            }
            put.boolean(self.is_batchable);
        });
    }
}
