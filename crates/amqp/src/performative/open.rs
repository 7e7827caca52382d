//! Both sides of a connection say what they are and how much they take.

use crate::codec::{DecodeError, Input, Symbol, Text, Value};

use super::{descriptor, put_described};
use crate::codec::missing;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Open {
    pub container: Text,
    pub hostname: Option<Text>,
    pub frame_bytes_max: Option<u32>,
    pub channel_max: Option<u16>,
    pub idle_timeout_ms: Option<u32>,
    pub offered: Vec<Symbol>,
    pub desired: Vec<Symbol>,
    pub properties: Value,
}

impl Open {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        input.fields(|fields| {
            let container = missing("container-id", fields.string()?)?;
            let hostname = fields.string()?;
            let frame_bytes_max = fields.uint()?;
            let channel_max = fields.ushort()?;
            let idle_timeout_ms = fields.uint()?;
            // Languages.
            drop((fields.any()?, fields.any()?));
            let (offered, desired) = (fields.symbols()?, fields.symbols()?);
            let properties = fields.map()?;
            Ok(Self {
                container,
                hostname,
                frame_bytes_max,
                channel_max,
                idle_timeout_ms,
                offered,
                desired,
                properties,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::OPEN, 10, |put| {
            put.value(&Value::String(self.container.clone()));
            put.some(self.hostname.clone(), Value::String);
            put.uint(self.frame_bytes_max);
            put.some(self.channel_max, Value::Ushort);
            put.uint(self.idle_timeout_ms);
            put.null();
            put.null();
            put.symbols(&self.offered);
            put.symbols(&self.desired);
            put.value(&self.properties);
        });
    }
}
