//! How much the other side may send.

use crate::codec::{DecodeError, Input, Value, missing};

use super::{descriptor, put_described};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// Absent while nothing was heard of the other side's session.
    pub next_incoming: Option<u32>,
    pub incoming_window: u32,
    pub next_outgoing: u32,
    pub outgoing_window: u32,
    /// Absent where only the session is meant.
    pub handle: Option<u32>,
    pub delivery_count: Option<u32>,
    pub credit: Option<u32>,
    pub available: Option<u32>,
    pub is_drain: bool,
    pub wants_echo: bool,
    pub properties: Value,
}

impl Flow {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                next_incoming: fields.uint()?,
                incoming_window: missing("incoming-window", fields.uint()?)?,
                next_outgoing: missing("next-outgoing-id", fields.uint()?)?,
                outgoing_window: missing("outgoing-window", fields.uint()?)?,
                handle: fields.uint()?,
                delivery_count: fields.uint()?,
                credit: fields.uint()?,
                available: fields.uint()?,
                is_drain: fields.boolean()?.unwrap_or_default(),
                wants_echo: fields.boolean()?.unwrap_or_default(),
                properties: fields.map()?,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::FLOW, 11, |put| {
            put.uint(self.next_incoming);
            put.uint(Some(self.incoming_window));
            put.uint(Some(self.next_outgoing));
            put.uint(Some(self.outgoing_window));
            put.uint(self.handle);
            put.uint(self.delivery_count);
            put.uint(self.credit);
            put.uint(self.available);
            put.boolean(self.is_drain);
            put.boolean(self.wants_echo);
            put.value(&self.properties);
        });
    }
}
