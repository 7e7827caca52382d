//! The beginning of a link.

use crate::codec::{DecodeError, Input, Symbol, Text, Value, missing};

use super::terminus::{Source, Target};
use super::{descriptor, put_described};

/// What somebody is on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Sender,
    Receiver,
}

impl Role {
    pub fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    pub(super) fn is_receiver(self) -> bool {
        self == Self::Receiver
    }

    pub(super) fn read(is_receiver: Option<bool>) -> Result<Self, DecodeError> {
        Ok(if missing("role", is_receiver)? { Self::Receiver } else { Self::Sender })
    }
}

/// Whether the sender waits for outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderSettles {
    Unsettled,
    Settled,
    #[default]
    Mixed,
}

/// Whether the receiver waits until the sender knows the outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiverSettles {
    #[default]
    First,
    Second,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attach {
    pub name: Text,
    pub handle: u32,
    pub role: Role,
    pub sender_settles: SenderSettles,
    pub receiver_settles: ReceiverSettles,
    pub source: Option<Source>,
    pub target: Option<Target>,
    pub unsettled: Value,
    pub has_incomplete_unsettled: bool,
    /// Mandatory for senders.
    pub delivery_count: Option<u32>,
    pub message_bytes_max: Option<u64>,
    pub offered: Vec<Symbol>,
    pub desired: Vec<Symbol>,
    pub properties: Value,
}

impl Attach {
    pub(super) fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        const MODE: DecodeError = DecodeError::Type { expected: "a settle mode" };
        input.fields(|fields| {
            let name = missing("name", fields.string()?)?;
            let handle = missing("handle", fields.uint()?)?;
            let role = Role::read(fields.boolean()?)?;
            let sender_settles = match fields.ubyte()? {
                None | Some(2) => SenderSettles::Mixed,
                Some(0) => SenderSettles::Unsettled,
                Some(1) => SenderSettles::Settled,
                Some(_) => return Err(MODE),
            };
            let receiver_settles = match fields.ubyte()? {
                None | Some(0) => ReceiverSettles::First,
                Some(1) => ReceiverSettles::Second,
                Some(_) => return Err(MODE),
            };
            let source = Source::from_value(&fields.any()?)?;
            let target = Target::from_value(&fields.any()?)?;
            let unsettled = fields.map()?;
            let has_incomplete_unsettled = fields.boolean()?.unwrap_or_default();
            let delivery_count = fields.uint()?;
            let message_bytes_max = fields.ulong()?;
            let (offered, desired) = (fields.symbols()?, fields.symbols()?);
            let properties = fields.map()?;
            Ok(Self {
                name,
                handle,
                role,
                sender_settles,
                receiver_settles,
                source,
                target,
                unsettled,
                has_incomplete_unsettled,
                delivery_count,
                message_bytes_max,
                offered,
                desired,
                properties,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::ATTACH, 14, |put| {
            put.value(&Value::String(self.name.clone()));
            put.uint(Some(self.handle));
            put.boolean(self.role.is_receiver());
            put.value(&Value::Ubyte(self.sender_settles as u8));
            put.value(&Value::Ubyte(self.receiver_settles as u8));
            match &self.source {
                Some(source) => source.encode(put.out),
                None => put.null(),
            }
            match &self.target {
                Some(target) => target.encode(put.out),
                None => put.null(),
            }
            put.value(&self.unsettled);
            put.boolean(self.has_incomplete_unsettled);
            put.uint(self.delivery_count);
            put.some(self.message_bytes_max, Value::Ulong);
            put.symbols(&self.offered);
            put.symbols(&self.desired);
            put.value(&self.properties);
        });
    }

    /// A text under a name in the properties.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_text()
    }
}
