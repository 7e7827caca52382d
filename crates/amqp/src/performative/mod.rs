//! What frames say. Each is read leniently in its width and written at its full width: there are
//! clients that look for a field by its place without asking how many there are.

mod attach;
mod begin;
mod close;
mod disposition;
mod fault;
mod flow;
mod open;
mod outcome;
mod sasl;
mod terminus;
mod transfer;

use crate::codec::{CodecLimits, DecodeError, Input, Value, code, put_list, put_value};
pub use attach::{Attach, ReceiverSettles, Role, SenderSettles};
pub use begin::Begin;
pub use close::{Close, Detach, End};
pub use disposition::Disposition;
pub use fault::{Fault, condition};
pub use flow::Flow;
pub use open::Open;
pub use outcome::Outcome;
pub use sasl::{Init, Mechanism, Mechanisms, Response, SaslCode, SaslFrame, SaslOutcome};
pub use terminus::{Source, Target};
pub use transfer::Transfer;

/// The numbers of described types.
pub mod descriptor {
    pub const OPEN: u64 = 0x10;
    pub const BEGIN: u64 = 0x11;
    pub const ATTACH: u64 = 0x12;
    pub const FLOW: u64 = 0x13;
    pub const TRANSFER: u64 = 0x14;
    pub const DISPOSITION: u64 = 0x15;
    pub const DETACH: u64 = 0x16;
    pub const END: u64 = 0x17;
    pub const CLOSE: u64 = 0x18;
    pub const ERROR: u64 = 0x1d;
    pub const RECEIVED: u64 = 0x23;
    pub const ACCEPTED: u64 = 0x24;
    pub const REJECTED: u64 = 0x25;
    pub const RELEASED: u64 = 0x26;
    pub const MODIFIED: u64 = 0x27;
    pub const SOURCE: u64 = 0x28;
    pub const TARGET: u64 = 0x29;
    pub const MECHANISMS: u64 = 0x40;
    pub const INIT: u64 = 0x41;
    pub const CHALLENGE: u64 = 0x42;
    pub const RESPONSE: u64 = 0x43;
    pub const SASL_OUTCOME: u64 = 0x44;
    pub const HEADER: u64 = 0x70;
    pub const DELIVERY_ANNOTATIONS: u64 = 0x71;
    pub const MESSAGE_ANNOTATIONS: u64 = 0x72;
    pub const PROPERTIES: u64 = 0x73;
    pub const APPLICATION_PROPERTIES: u64 = 0x74;
    pub const DATA: u64 = 0x75;
    pub const SEQUENCE: u64 = 0x76;
    pub const VALUE: u64 = 0x77;
    pub const FOOTER: u64 = 0x78;

    /// The long names, which say the same.
    pub(crate) const NAMES: [(&str, u64); 29] = [
        ("amqp:open:list", OPEN),
        ("amqp:begin:list", BEGIN),
        ("amqp:attach:list", ATTACH),
        ("amqp:flow:list", FLOW),
        ("amqp:transfer:list", TRANSFER),
        ("amqp:disposition:list", DISPOSITION),
        ("amqp:detach:list", DETACH),
        ("amqp:end:list", END),
        ("amqp:close:list", CLOSE),
        ("amqp:error:list", ERROR),
        ("amqp:received:list", RECEIVED),
        ("amqp:accepted:list", ACCEPTED),
        ("amqp:rejected:list", REJECTED),
        ("amqp:released:list", RELEASED),
        ("amqp:modified:list", MODIFIED),
        ("amqp:source:list", SOURCE),
        ("amqp:target:list", TARGET),
        ("amqp:sasl-mechanisms:list", MECHANISMS),
        ("amqp:sasl-init:list", INIT),
        ("amqp:sasl-response:list", RESPONSE),
        ("amqp:header:list", HEADER),
        ("amqp:delivery-annotations:map", DELIVERY_ANNOTATIONS),
        ("amqp:message-annotations:map", MESSAGE_ANNOTATIONS),
        ("amqp:properties:list", PROPERTIES),
        ("amqp:application-properties:map", APPLICATION_PROPERTIES),
        ("amqp:data:binary", DATA),
        ("amqp:amqp-sequence:list", SEQUENCE),
        ("amqp:amqp-value:*", VALUE),
        ("amqp:footer:map", FOOTER),
    ];
}

#[derive(Clone, Debug, PartialEq)]
pub enum Performative {
    Open(Box<Open>),
    Begin(Begin),
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer),
    Disposition(Disposition),
    Detach(Detach),
    End(End),
    Close(Close),
}

impl Performative {
    /// Reads one; what is left in the input is the payload.
    pub fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        Ok(match number(&input.descriptor()?)? {
            descriptor::OPEN => Self::Open(Box::new(Open::decode(input)?)),
            descriptor::BEGIN => Self::Begin(Begin::decode(input)?),
            descriptor::ATTACH => Self::Attach(Box::new(Attach::decode(input)?)),
            descriptor::FLOW => Self::Flow(Flow::decode(input)?),
            descriptor::TRANSFER => Self::Transfer(Transfer::decode(input)?),
            descriptor::DISPOSITION => Self::Disposition(Disposition::decode(input)?),
            descriptor::DETACH => Self::Detach(Detach::decode(input)?),
            descriptor::END => Self::End(End::decode(input)?),
            descriptor::CLOSE => Self::Close(Close::decode(input)?),
            found => return Err(DecodeError::Descriptor { found }),
        })
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open(open) => open.encode(out),
            Self::Begin(begin) => begin.encode(out),
            Self::Attach(attach) => attach.encode(out),
            Self::Flow(flow) => flow.encode(out),
            Self::Transfer(transfer) => transfer.encode(out),
            Self::Disposition(disposition) => disposition.encode(out),
            Self::Detach(detach) => detach.encode(out),
            Self::End(end) => end.encode(out),
            Self::Close(close) => close.encode(out),
        }
    }
}

/// The number that a descriptor stands for; names that are not known are errors.
pub(crate) fn number(descriptor: &Value) -> Result<u64, DecodeError> {
    const UNKNOWN: DecodeError = DecodeError::Type { expected: "a known descriptor" };
    match descriptor {
        Value::Ulong(number) => Ok(*number),
        Value::Symbol(name) => {
            let known = descriptor::NAMES.iter().find(|(known, _)| *known == name.as_str());
            known.map(|(_, number)| *number).ok_or(UNKNOWN)
        }
        _ => Err(UNKNOWN),
    }
}

/// A described list at its full width.
pub(crate) fn put_described(out: &mut Vec<u8>, number: u64, width: usize, put: impl FnOnce(&mut Put<'_>)) {
    put_descriptor(out, number);
    put_list(out, width, |out| put(&mut Put { out }));
}

/// Descriptors are below 256 and stand in the short form, which all clients expect.
pub(crate) fn put_descriptor(out: &mut Vec<u8>, number: u64) {
    out.extend([code::DESCRIBED, code::ULONG_8, number as u8]);
}

/// Writes the fields of a list.
pub(crate) struct Put<'a> {
    pub(crate) out: &'a mut Vec<u8>,
}

impl Put<'_> {
    pub(crate) fn null(&mut self) {
        self.out.push(code::NULL);
    }

    pub(crate) fn value(&mut self, value: &Value) {
        put_value(self.out, value);
    }

    /// Null where there is nothing.
    pub(crate) fn some<T>(&mut self, value: Option<T>, make: impl FnOnce(T) -> Value) {
        match value {
            Some(value) => put_value(self.out, &make(value)),
            None => self.null(),
        }
    }

    pub(crate) fn uint(&mut self, value: Option<u32>) {
        self.some(value, Value::Uint);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.value(&Value::Bool(value));
    }

    pub(crate) fn symbols(&mut self, symbols: &[crate::codec::Symbol]) {
        if symbols.is_empty() {
            return self.null();
        }
        let items = symbols.iter().cloned().map(Value::Symbol).collect();
        let array = crate::codec::Array { code: code::SYMBOL_8, descriptor: None, items };
        self.value(&Value::Array(Box::new(array)));
    }
}

/// Reads a described list out of a value that was read whole.
pub(crate) fn reread<T>(
    value: &Value,
    read: impl FnOnce(u64, &mut Input) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut bytes = Vec::new();
    put_value(&mut bytes, value);
    let mut input = Input::new(bytes.into(), CodecLimits::default());
    let number = number(&input.descriptor()?)?;
    read(number, &mut input)
}
