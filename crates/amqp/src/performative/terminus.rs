//! Where messages of a link come from and go to.

use crate::codec::{DecodeError, Symbol, Value};

use super::{Put, descriptor, put_described, reread};

/// Addresses are mostly texts; other values are kept for the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    pub address: Value,
    pub durable: Option<u32>,
    pub expiry_policy: Option<Symbol>,
    pub timeout_s: Option<u32>,
    pub is_dynamic: bool,
    pub dynamic_properties: Value,
    pub distribution_mode: Option<Symbol>,
    pub filter: Value,
    pub default_outcome: Value,
    pub outcomes: Vec<Symbol>,
    pub capabilities: Vec<Symbol>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    pub address: Value,
    pub durable: Option<u32>,
    pub expiry_policy: Option<Symbol>,
    pub timeout_s: Option<u32>,
    pub is_dynamic: bool,
    pub dynamic_properties: Value,
    pub capabilities: Vec<Symbol>,
}

impl Source {
    pub fn at(address: &str) -> Self {
        Self { address: Value::string(address), ..Self::default() }
    }

    pub(super) fn from_value(value: &Value) -> Result<Option<Self>, DecodeError> {
        if value.is_null() {
            return Ok(None);
        }
        reread(value, |number, input| {
            if number != descriptor::SOURCE {
                return Err(DecodeError::Descriptor { found: number });
            }
            input.fields(|fields| {
                Ok(Some(Self {
                    address: fields.any()?,
                    durable: fields.uint()?,
                    expiry_policy: fields.symbol()?,
                    timeout_s: fields.uint()?,
                    is_dynamic: fields.boolean()?.unwrap_or_default(),
                    dynamic_properties: fields.map()?,
                    distribution_mode: fields.symbol()?,
                    filter: fields.map()?,
                    default_outcome: fields.any()?,
                    outcomes: fields.symbols()?,
                    capabilities: fields.symbols()?,
                }))
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::SOURCE, 11, |put| {
            put.value(&self.address);
            put_lifetime(put, self.durable, self.expiry_policy.as_ref(), self.timeout_s);
            put.boolean(self.is_dynamic);
            put.value(&self.dynamic_properties);
            put.some(self.distribution_mode.clone(), Value::Symbol);
            put.value(&self.filter);
            put.value(&self.default_outcome);
            put.symbols(&self.outcomes);
            put.symbols(&self.capabilities);
        });
    }
}

impl Target {
    pub fn at(address: &str) -> Self {
        Self { address: Value::string(address), ..Self::default() }
    }

    /// Other kinds of targets, coordinators of transactions, are not known here.
    pub(super) fn from_value(value: &Value) -> Result<Option<Self>, DecodeError> {
        if value.is_null() {
            return Ok(None);
        }
        reread(value, |number, input| {
            if number != descriptor::TARGET {
                return Err(DecodeError::Descriptor { found: number });
            }
            input.fields(|fields| {
                Ok(Some(Self {
                    address: fields.any()?,
                    durable: fields.uint()?,
                    expiry_policy: fields.symbol()?,
                    timeout_s: fields.uint()?,
                    is_dynamic: fields.boolean()?.unwrap_or_default(),
                    dynamic_properties: fields.map()?,
                    capabilities: fields.symbols()?,
                }))
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_described(out, descriptor::TARGET, 7, |put| {
            put.value(&self.address);
            put_lifetime(put, self.durable, self.expiry_policy.as_ref(), self.timeout_s);
            put.boolean(self.is_dynamic);
            put.value(&self.dynamic_properties);
            put.symbols(&self.capabilities);
        });
    }
}

fn put_lifetime(put: &mut Put<'_>, durable: Option<u32>, expiry: Option<&Symbol>, timeout_s: Option<u32>) {
    put.uint(durable);
    put.some(expiry.cloned(), Value::Symbol);
    put.uint(timeout_s);
}
