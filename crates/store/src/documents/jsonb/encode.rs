//! From a value to bytes.

use std::io::Write;

use serde_json::Value;

use super::header::{self, ARRAY, FALSE, FLOAT, INT, NULL, OBJECT, TEXT, TEXTRAW, TRUE};

/// The bytes, and how deeply they are nested.
pub(super) fn encode(value: &Value) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(64);
    let depth = push(&mut out, value);
    (out, depth)
}

fn push(out: &mut Vec<u8>, value: &Value) -> usize {
    let mut inner = 0;
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(true) => out.push(TRUE),
        Value::Bool(false) => out.push(FALSE),
        Value::Number(number) => {
            let start = out.len();
            // A Vec takes every write.
            let _ = write!(out, "{number}");
            header::insert(out, start, if number.is_f64() { FLOAT } else { INT });
        }
        Value::String(text) => push_text(out, text),
        Value::Array(items) => {
            let start = out.len();
            for item in items {
                inner = inner.max(push(out, item));
            }
            header::insert(out, start, ARRAY);
        }
        Value::Object(members) => {
            let start = out.len();
            for (name, member) in members {
                push_text(out, name);
                inner = inner.max(push(out, member));
            }
            header::insert(out, start, OBJECT);
        }
    }
    inner + 1
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    header::push(out, if plain { TEXT } else { TEXTRAW }, text.len());
    out.extend_from_slice(text.as_bytes());
}
