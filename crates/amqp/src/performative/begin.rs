//! The beginning of a session.

use crate::codec::{DecodeError, Input, Symbol, Value, missing};

use super::{descriptor, put_described};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Begin {
    /// In an answer: the channel of the session that it answers.
    pub remote_channel: Option<u16>,
    pub next_outgoing: u32,
    pub incoming_window: u32,
    pub outgoing_window: u32,
    pub handle_max: Option<u32>,
    pub offered: Vec<Symbol>,
    pub desired: Vec<Symbol>,
    pub properties: Value,
}

impl Begin {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            Ok(Self {
                remote_channel: fields.ushort()?,
                next_outgoing: missing("next-outgoing-id", fields.uint()?)?,
                incoming_window: missing("incoming-window", fields.uint()?)?,
                outgoing_window: missing("outgoing-window", fields.uint()?)?,
                handle_max: fields.uint()?,
                offered: fields.symbols()?,
                desired: fields.symbols()?,
                properties: fields.map()?,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::BEGIN, 8, |put| {
            put.some(self.remote_channel, Value::Ushort);
            put.uint(Some(self.next_outgoing));
            put.uint(Some(self.incoming_window));
            put.uint(Some(self.outgoing_window));
            put.uint(self.handle_max);
            put.symbols(&self.offered);
            put.symbols(&self.desired);
            put.value(&self.properties);
        });
    }
}
