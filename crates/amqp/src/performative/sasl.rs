//! Who somebody is, before the connection opens. Most clients prove it later, with a token.

use bytes::Bytes;

use crate::codec::{DecodeError, Input, Symbol, Text, Value, missing};

use super::{descriptor, number, put_described};

/// Ways to say it that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The way of clients that show tokens later.
    Mssbcbs,
    Plain,
    Anonymous,
    /// The certificate says it.
    External,
}

impl Mechanism {
    pub const ALL: [Self; 4] = [Self::Mssbcbs, Self::Plain, Self::Anonymous, Self::External];

    pub fn wire(self) -> &'static str {
        match self {
            Self::Mssbcbs => "MSSBCBS",
            Self::Plain => "PLAIN",
            Self::Anonymous => "ANONYMOUS",
            Self::External => "EXTERNAL",
        }
    }

    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.wire() == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum SaslFrame {
    Mechanisms(Mechanisms),
    Init(Init),
    Response(Response),
    Outcome(SaslOutcome),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mechanisms {
    pub names: Vec<Symbol>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    pub mechanism: Symbol,
    pub response: Option<Bytes>,
    pub hostname: Option<Text>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub bytes: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslCode {
    Ok = 0,
    /// Not who it says.
    Auth = 1,
    /// Not possible now.
    System = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslOutcome {
    pub code: SaslCode,
}

impl SaslFrame {
    pub fn decode(input: &mut Input) -> Result<Self, DecodeError> {
        Ok(match number(&input.descriptor()?)? {
            descriptor::MECHANISMS => {
                Self::Mechanisms(input.fields(|fields| Ok(Mechanisms { names: fields.symbols()? }))?)
            }
            descriptor::INIT => Self::Init(input.fields(|fields| {
                Ok(Init {
                    mechanism: missing("mechanism", fields.symbol()?)?,
                    response: fields.binary()?,
                    hostname: fields.string()?,
                })
            })?),
            descriptor::RESPONSE => Self::Response(
                input.fields(|fields| Ok(Response { bytes: missing("response", fields.binary()?)? }))?,
            ),
            descriptor::SASL_OUTCOME => Self::Outcome(input.fields(|fields| {
                let code = match missing("code", fields.ubyte()?)? {
                    0 => SaslCode::Ok,
                    1 => SaslCode::Auth,
                    _ => SaslCode::System,
                };
                Ok(SaslOutcome { code })
            })?),
            found => return Err(DecodeError::Descriptor { found }),
        })
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Mechanisms(mechanisms) => {
                put_described(out, descriptor::MECHANISMS, 1, |put| put.symbols(&mechanisms.names));
            }
            Self::Init(init) => put_described(out, descriptor::INIT, 3, |put| {
                put.value(&Value::Symbol(init.mechanism.clone()));
                put.some(init.response.clone(), Value::Binary);
                put.some(init.hostname.clone(), Value::String);
            }),
            Self::Response(response) => put_described(out, descriptor::RESPONSE, 1, |put| {
                put.value(&Value::Binary(response.bytes.clone()));
            }),
            Self::Outcome(outcome) => put_described(out, descriptor::SASL_OUTCOME, 2, |put| {
                put.value(&Value::Ubyte(outcome.code as u8));
                put.null();
            }),
        }
    }
}
