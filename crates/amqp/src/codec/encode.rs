//! Values to bytes, each in its shortest form.

use super::code;
use super::value::{Array, Value};

pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(code::NULL),
        Value::Bool(true) => out.push(code::TRUE),
        Value::Bool(false) => out.push(code::FALSE),
        Value::Uint(0) => out.push(code::UINT_0),
        Value::Ulong(0) => out.push(code::ULONG_0),
        Value::Uint(value @ 1..=255) => out.extend([code::UINT_8, *value as u8]),
        Value::Ulong(value @ 1..=255) => out.extend([code::ULONG_8, *value as u8]),
        Value::Int(value @ -128..=127) => out.extend([code::INT_8, (*value as i8).cast_unsigned()]),
        Value::Long(value @ -128..=127) => out.extend([code::LONG_8, (*value as i8).cast_unsigned()]),
        Value::List(items) if items.is_empty() => out.push(code::LIST_0),
        Value::Described(described) => {
            out.push(code::DESCRIBED);
            put_value(out, &described.descriptor);
            put_value(out, &described.value);
        }
        value => {
            let code = code_of(value);
            out.push(code);
            put_content(out, value, code);
        }
    }
}

/// Of the form that fits.
fn code_of(value: &Value) -> u8 {
    let by_len = |len: usize, short: u8, long: u8| if len <= 255 { short } else { long };
    match value {
        Value::Null => code::NULL,
        Value::Bool(_) => code::BOOLEAN,
        Value::Ubyte(_) => code::UBYTE,
        Value::Ushort(_) => code::USHORT,
        Value::Uint(_) => code::UINT,
        Value::Ulong(_) => code::ULONG,
        Value::Byte(_) => code::BYTE,
        Value::Short(_) => code::SHORT,
        Value::Int(_) => code::INT,
        Value::Long(_) => code::LONG,
        Value::Float(_) => code::FLOAT,
        Value::Double(_) => code::DOUBLE,
        Value::Decimal32(_) => code::DECIMAL_32,
        Value::Decimal64(_) => code::DECIMAL_64,
        Value::Decimal128(_) => code::DECIMAL_128,
        Value::Char(_) => code::CHAR,
        Value::Timestamp(_) => code::TIMESTAMP,
        Value::Uuid(_) => code::UUID,
        Value::Binary(bytes) => by_len(bytes.len(), code::BINARY_8, code::BINARY_32),
        Value::String(text) => by_len(text.len(), code::STRING_8, code::STRING_32),
        Value::Symbol(symbol) => by_len(symbol.len(), code::SYMBOL_8, code::SYMBOL_32),
        Value::List(_) => code::LIST_32,
        Value::Map(_) => code::MAP_32,
        Value::Array(_) => code::ARRAY_32,
        Value::Described(_) => code::DESCRIBED,
    }
}

/// What comes behind the code; elements of arrays have nothing else.
fn put_content(out: &mut Vec<u8>, value: &Value, code: u8) {
    match value {
        Value::Null => {}
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::Ubyte(value) => out.push(*value),
        Value::Ushort(value) => out.extend(value.to_be_bytes()),
        Value::Uint(value) => out.extend(value.to_be_bytes()),
        Value::Ulong(value) => out.extend(value.to_be_bytes()),
        Value::Byte(value) => out.extend(value.to_be_bytes()),
        Value::Short(value) => out.extend(value.to_be_bytes()),
        Value::Int(value) => out.extend(value.to_be_bytes()),
        Value::Long(value) | Value::Timestamp(value) => out.extend(value.to_be_bytes()),
        Value::Float(value) => out.extend(value.to_bits().to_be_bytes()),
        Value::Double(value) => out.extend(value.to_bits().to_be_bytes()),
        Value::Decimal32(value) => out.extend(value),
        Value::Decimal64(value) => out.extend(value),
        Value::Decimal128(value) | Value::Uuid(value) => out.extend(value),
        Value::Char(value) => out.extend(u32::from(*value).to_be_bytes()),
        Value::Binary(bytes) => put_variable(out, bytes, code),
        Value::String(text) => put_variable(out, text.as_bytes(), code),
        Value::Symbol(symbol) => put_variable(out, symbol.as_bytes(), code),
        Value::List(items) => put_compound(out, items.len(), |out| {
            items.iter().for_each(|item| put_value(out, item));
        }),
        Value::Map(entries) => put_compound(out, entries.len() * 2, |out| {
            for (key, value) in entries {
                put_value(out, key);
                put_value(out, value);
            }
        }),
        Value::Array(array) => put_array(out, array),
        Value::Described(described) => put_value(out, &described.value),
    }
}

fn put_variable(out: &mut Vec<u8>, bytes: &[u8], code: u8) {
    if super::decode::is_wide(code) {
        out.extend((bytes.len() as u32).to_be_bytes());
    } else {
        out.push(bytes.len() as u8);
    }
    out.extend_from_slice(bytes);
}

/// Length and count with four bytes each; the length is known at the end.
fn put_compound(out: &mut Vec<u8>, count: usize, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend((count as u32).to_be_bytes());
    put(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    let code = element_code(array);
    put_compound(out, array.items.len(), |out| {
        if let Some(descriptor) = &array.descriptor {
            out.push(code::DESCRIBED);
            put_value(out, descriptor);
        }
        out.push(code);
        array.items.iter().for_each(|item| put_content(out, item, code));
    });
}

/// One code for all: the widest that any of them needs.
fn element_code(array: &Array) -> u8 {
    let widest = array.items.iter().map(code_of).max();
    widest.unwrap_or(match array.code {
        code::TRUE | code::FALSE => code::BOOLEAN,
        code::UINT_0 | code::UINT_8 => code::UINT,
        code::ULONG_0 | code::ULONG_8 => code::ULONG,
        code::INT_8 => code::INT,
        code::LONG_8 => code::LONG,
        code::LIST_0 | code::LIST_8 => code::LIST_32,
        code::MAP_8 => code::MAP_32,
        code::ARRAY_8 => code::ARRAY_32,
        code => code,
    })
}

/// A list of a known number of fields, each written by `put`: always with its width, for there are
/// clients that look for a field by its place without asking how many there are.
pub fn put_list(out: &mut Vec<u8>, count: usize, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(code::LIST_32);
    put_compound(out, count, put);
}
