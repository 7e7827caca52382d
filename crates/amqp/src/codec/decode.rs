//! Bytes to values.

use bytes::{Buf as _, Bytes};

use super::code;
use super::text::{Symbol, Text};
use super::value::{Array, Value};

/// What one performative or section may hold.
#[derive(Clone, Copy, Debug)]
pub struct CodecLimits {
    /// Values in values.
    pub depth_max: u8,
    /// Elements of all lists, maps and arrays together.
    pub items_max: u32,
}

impl Default for CodecLimits {
    fn default() -> Self {
        Self { depth_max: 16, items_max: 4096 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a value ends before its bytes do")]
    Short,
    #[error("there is no type with the code {code:#04x}")]
    Code { code: u8 },
    #[error("a value has another type than its place asks for ({expected})")]
    Type { expected: &'static str },
    #[error("values lie more than {depth_max} deep in each other")]
    Depth { depth_max: u8 },
    #[error("there are more than {items_max} elements")]
    Items { items_max: u32 },
    #[error("a text is not UTF-8, or a symbol not ASCII")]
    Text,
    #[error("a compound value is not as long as it says")]
    Length,
    #[error("a map has a key without a value")]
    Odd,
    #[error("a mandatory field is missing ({field})")]
    Missing { field: &'static str },
    #[error("the descriptor {found} is not known here")]
    Descriptor { found: u64 },
}

/// Bytes that values are read from, front to back.
#[derive(Clone, Debug)]
pub struct Input {
    rest: Bytes,
    limits: CodecLimits,
    depth: u8,
    items: u32,
}

impl Input {
    pub fn new(bytes: Bytes, limits: CodecLimits) -> Self {
        Self { rest: bytes, limits, depth: 0, items: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub fn into_rest(self) -> Bytes {
        self.rest
    }

    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.rest.len() {
            return Err(DecodeError::Short);
        }
        Ok(self.rest.split_to(len))
    }

    pub(super) fn advance(&mut self, len: usize) -> Result<(), DecodeError> {
        if len > self.rest.len() {
            return Err(DecodeError::Short);
        }
        self.rest.advance(len);
        Ok(())
    }

    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.rest.try_get_u8().map_err(|_| DecodeError::Short)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.rest.try_get_u16().map_err(|_| DecodeError::Short)
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.rest.try_get_u32().map_err(|_| DecodeError::Short)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.rest.try_get_u64().map_err(|_| DecodeError::Short)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut bytes = [0; N];
        self.rest.try_copy_to_slice(&mut bytes).map_err(|_| DecodeError::Short)?;
        Ok(bytes)
    }

    pub(super) fn length(&mut self, is_wide: bool) -> Result<usize, DecodeError> {
        Ok(if is_wide { self.u32()? as usize } else { self.u8()?.into() })
    }

    /// Counts elements before room is made for them.
    fn count(&mut self, count: usize) -> Result<usize, DecodeError> {
        let items = u32::try_from(count).ok().and_then(|count| self.items.checked_add(count));
        let items_max = self.limits.items_max;
        self.items = items.filter(|items| *items <= items_max).ok_or(DecodeError::Items { items_max })?;
        Ok(count)
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let depth_max = self.limits.depth_max;
        if self.depth >= depth_max {
            return Err(DecodeError::Depth { depth_max });
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// The content of a compound value: so many elements in bytes of their own.
    fn compound<T>(
        &mut self,
        is_wide: bool,
        read: impl FnOnce(&mut Self, usize) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let len = self.length(is_wide)?;
        let inner = self.take(len)?;
        let outer = std::mem::replace(&mut self.rest, inner);
        let value = self.deeper(|input| {
            let count = input.length(is_wide)?;
            let count = input.count(count)?;
            read(input, count)
        });
        let is_whole = self.rest.is_empty();
        self.rest = outer;
        match value {
            Ok(_) if !is_whole => Err(DecodeError::Length),
            value => value,
        }
    }

    pub fn value(&mut self) -> Result<Value, DecodeError> {
        let code = self.u8()?;
        if code == code::DESCRIBED {
            return self.deeper(|input| {
                let descriptor = input.value()?;
                Ok(Value::described(descriptor, input.value()?))
            });
        }
        self.value_of(code)
    }

    /// The code was read.
    fn value_of(&mut self, code: u8) -> Result<Value, DecodeError> {
        Ok(match code {
            code::NULL => Value::Null,
            code::TRUE => Value::Bool(true),
            code::FALSE => Value::Bool(false),
            code::BOOLEAN => Value::Bool(match self.u8()? {
                0 => false,
                1 => true,
                _ => return Err(DecodeError::Type { expected: "boolean" }),
            }),
            code::UBYTE => Value::Ubyte(self.u8()?),
            code::BYTE => Value::Byte(self.u8()?.cast_signed()),
            code::USHORT => Value::Ushort(self.u16()?),
            code::SHORT => Value::Short(self.u16()?.cast_signed()),
            code::UINT_0 => Value::Uint(0),
            code::UINT_8 => Value::Uint(self.u8()?.into()),
            code::UINT => Value::Uint(self.u32()?),
            code::INT_8 => Value::Int(self.u8()?.cast_signed().into()),
            code::INT => Value::Int(self.u32()?.cast_signed()),
            code::ULONG_0 => Value::Ulong(0),
            code::ULONG_8 => Value::Ulong(self.u8()?.into()),
            code::ULONG => Value::Ulong(self.u64()?),
            code::LONG_8 => Value::Long(self.u8()?.cast_signed().into()),
            code::LONG => Value::Long(self.u64()?.cast_signed()),
            code::FLOAT => Value::Float(f32::from_bits(self.u32()?)),
            code::DOUBLE => Value::Double(f64::from_bits(self.u64()?)),
            code::DECIMAL_32 => Value::Decimal32(self.bytes()?),
            code::DECIMAL_64 => Value::Decimal64(self.bytes()?),
            code::DECIMAL_128 => Value::Decimal128(self.bytes()?),
            code::CHAR => Value::Char(char::from_u32(self.u32()?).ok_or(DecodeError::Text)?),
            code::TIMESTAMP => Value::Timestamp(self.u64()?.cast_signed()),
            code::UUID => Value::Uuid(self.bytes()?),
            code::BINARY_8 | code::BINARY_32 => Value::Binary(self.variable(code)?),
            code::STRING_8 | code::STRING_32 => {
                Value::String(Text::new(self.variable(code)?).ok_or(DecodeError::Text)?)
            }
            code::SYMBOL_8 | code::SYMBOL_32 => {
                Value::Symbol(Symbol::new(self.variable(code)?).ok_or(DecodeError::Text)?)
            }
            code::LIST_0 => Value::List(Vec::new()),
            code::LIST_8 | code::LIST_32 => Value::List(self.compound(is_wide(code), Self::list)?),
            code::MAP_8 | code::MAP_32 => Value::Map(self.compound(is_wide(code), Self::map)?),
            code::ARRAY_8 | code::ARRAY_32 => {
                Value::Array(Box::new(self.compound(is_wide(code), Self::array)?))
            }
            code => return Err(DecodeError::Code { code }),
        })
    }

    fn variable(&mut self, code: u8) -> Result<Bytes, DecodeError> {
        let len = self.length(is_wide(code))?;
        self.take(len)
    }

    fn list(&mut self, count: usize) -> Result<Vec<Value>, DecodeError> {
        // Each takes a byte at least.
        let mut items = Vec::with_capacity(count.min(self.rest.len()));
        for _ in 0..count {
            items.push(self.value()?);
        }
        Ok(items)
    }

    fn map(&mut self, count: usize) -> Result<Vec<(Value, Value)>, DecodeError> {
        if !count.is_multiple_of(2) {
            return Err(DecodeError::Odd);
        }
        let mut entries = Vec::with_capacity((count / 2).min(self.rest.len()));
        for _ in 0..count / 2 {
            entries.push((self.value()?, self.value()?));
        }
        Ok(entries)
    }

    fn array(&mut self, count: usize) -> Result<Array, DecodeError> {
        let mut code = self.u8()?;
        let mut descriptor = None;
        if code == code::DESCRIBED {
            descriptor = Some(self.deeper(Self::value)?);
            code = self.u8()?;
        }
        // Elements may take no byte at all: the count is bounded by the items alone.
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(self.value_of(code)?);
        }
        Ok(Array { code, descriptor, items })
    }

    /// The descriptor of a described value: a number, or the name for it.
    pub fn descriptor(&mut self) -> Result<Value, DecodeError> {
        if self.u8()? != code::DESCRIBED {
            return Err(DecodeError::Type { expected: "a described value" });
        }
        self.deeper(Self::value)
    }

    /// The fields of a list that is read field by field.
    pub fn fields<T>(
        &mut self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let read_all = |input: &mut Self, count: usize| {
            let mut fields = Fields { left: count, input };
            let value = read(&mut fields)?;
            // Those of later versions.
            while fields.left > 0 {
                fields.any()?;
            }
            Ok(value)
        };
        match self.u8()? {
            code::LIST_0 => read_all(self, 0),
            code @ (code::LIST_8 | code::LIST_32) => self.compound(is_wide(code), read_all),
            _ => Err(DecodeError::Type { expected: "a list" }),
        }
    }
}

/// The high half of codes with a length tells its width: 0xa, 0xc and 0xe are narrow.
pub(super) fn is_wide(code: u8) -> bool {
    (code >> 4) & 1 == 1
}

/// The fields of a list, in order. What is not there is as good as null.
pub struct Fields<'a> {
    left: usize,
    input: &'a mut Input,
}

macro_rules! field {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty, $expected:literal) => {
        $(#[$doc])*
        pub fn $name(&mut self) -> Result<Option<$type>, DecodeError> {
            match self.any()? {
                Value::Null => Ok(None),
                Value::$variant(value) => Ok(Some(value)),
                _ => Err(DecodeError::Type { expected: $expected }),
            }
        }
    };
}

impl Fields<'_> {
    pub fn any(&mut self) -> Result<Value, DecodeError> {
        match self.left.checked_sub(1) {
            None => Ok(Value::Null),
            Some(left) => {
                self.left = left;
                self.input.value()
            }
        }
    }

    field!(boolean, Bool, bool, "boolean");
    field!(ubyte, Ubyte, u8, "ubyte");
    field!(ushort, Ushort, u16, "ushort");
    field!(uint, Uint, u32, "uint");
    field!(ulong, Ulong, u64, "ulong");
    field!(binary, Binary, Bytes, "binary");
    field!(string, String, Text, "string");
    field!(symbol, Symbol, Symbol, "symbol");
    field!(timestamp, Timestamp, i64, "timestamp");

    /// One name or an array of them.
    pub fn symbols(&mut self) -> Result<Vec<Symbol>, DecodeError> {
        const WRONG: DecodeError = DecodeError::Type { expected: "symbols" };
        let symbol = |value| if let Value::Symbol(symbol) = value { Ok(symbol) } else { Err(WRONG) };
        match self.any()? {
            Value::Null => Ok(Vec::new()),
            Value::Array(array) => array.items.into_iter().map(symbol).collect(),
            value => Ok(vec![symbol(value)?]),
        }
    }

    /// A map, or null for an empty one.
    pub fn map(&mut self) -> Result<Value, DecodeError> {
        match self.any()? {
            value @ (Value::Null | Value::Map(_)) => Ok(value),
            _ => Err(DecodeError::Type { expected: "map" }),
        }
    }
}

pub fn missing<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { field })
}
