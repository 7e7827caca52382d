//! A value of any type.

use bytes::Bytes;

use super::code;
use super::text::{Symbol, Text};

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Decimal32([u8; 4]),
    Decimal64([u8; 8]),
    Decimal128([u8; 16]),
    Char(char),
    /// Milliseconds since 1970.
    Timestamp(i64),
    Uuid([u8; 16]),
    Binary(Bytes),
    String(Text),
    Symbol(Symbol),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Array(Box<Array>),
    Described(Box<Described>),
}

/// Values of one type. The code is that of the elements, kept for those of which there are none.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub code: u8,
    /// Of every element.
    pub descriptor: Option<Value>,
    pub items: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub descriptor: Value,
    pub value: Value,
}

impl Value {
    pub fn symbol(text: &'static str) -> Self {
        Self::Symbol(Symbol::known(text))
    }

    pub fn string(text: &str) -> Self {
        Self::String(text.into())
    }

    pub fn described(descriptor: Value, value: Value) -> Self {
        Self::Described(Box::new(Described { descriptor, value }))
    }

    /// An array of texts.
    pub fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let items = texts.into_iter().map(Self::string).collect();
        Self::Array(Box::new(Array { code: code::STRING_8, descriptor: None, items }))
    }

    /// An array of names.
    pub fn symbols(texts: &[&'static str]) -> Self {
        let items = texts.iter().map(|text| Self::symbol(text)).collect();
        Self::Array(Box::new(Array { code: code::SYMBOL_8, descriptor: None, items }))
    }

    /// A string or a symbol.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// Any whole number that fits.
    pub fn as_integer(&self) -> Option<i64> {
        Some(match self {
            Self::Ubyte(value) => i64::from(*value),
            Self::Ushort(value) => i64::from(*value),
            Self::Uint(value) => i64::from(*value),
            Self::Ulong(value) => i64::try_from(*value).ok()?,
            Self::Byte(value) => i64::from(*value),
            Self::Short(value) => i64::from(*value),
            Self::Int(value) => i64::from(*value),
            Self::Long(value) | Self::Timestamp(value) => *value,
            _ => return None,
        })
    }

    /// The value under a name in a map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
