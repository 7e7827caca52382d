//! JSON as the engines keep it: SQLite's JSONB, a binary tree that needs no parsing.
//!
//! Why our own coder: a document read from the engine is handed on as raw bytes, the writer
//! binds raw bytes, and only who looks inside pays for it. The encoding is documented by SQLite
//! (sqlite.org/jsonb.html) and stable on disk.
//!
//! An element is a header and a payload. The low half of the first byte is the type; the high
//! half is the payload's size, or 12, 13, 14, 15 when the size follows in 1, 2, 4, 8 bytes,
//! big-endian. Arrays hold elements, objects hold text elements and elements in turn.
//!
//! We write types `null true false INT FLOAT TEXT TEXTRAW ARRAY OBJECT` with the shortest
//! headers; we read everything that SQLite may produce. Where a name occurs twice in an object
//! the first one counts, as it does in SQLite.

mod decode;
mod encode;
mod header;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

use super::Step;

/// Objects and arrays inside each other deeper than this are refused when read. `serde_json`
/// refuses text beyond 128.
pub const JSON_DEPTH_MAX: usize = 256;

/// One JSON value in SQLite's JSONB encoding. Cloning shares the bytes. Equality is by bytes:
/// two equal values that [`Json::encode`] made are equal, members in another order are not.
#[derive(Clone)]
pub struct Json {
    bytes: Bytes,
    /// Known to be well-formed: made here, or read from where only such is kept.
    sound: bool,
}

/// The bytes are no JSONB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSONB at byte {at}: {what}")]
pub struct JsonError {
    pub at: usize,
    pub what: &'static str,
}

impl Json {
    /// `null`.
    pub const fn null() -> Self {
        Self { bytes: Bytes::from_static(&[header::NULL]), sound: true }
    }

    /// `{}`.
    pub const fn object() -> Self {
        Self { bytes: Bytes::from_static(&[header::OBJECT]), sound: true }
    }

    /// A value nested deeper than [`JSON_DEPTH_MAX`] is encoded, but no longer read or committed.
    pub fn encode(value: &Value) -> Self {
        let (bytes, depth) = encode::encode(value);
        Self { bytes: bytes.into(), sound: depth <= JSON_DEPTH_MAX }
    }

    /// Takes bytes as they are; they are checked when somebody looks inside, or commits them.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), sound: false }
    }

    /// Takes bytes that were checked before they came to where they are.
    pub(crate) fn sound(bytes: Bytes) -> Self {
        Self { bytes, sound: true }
    }

    /// Whether the bytes are well-formed; looks at them only where that is not known.
    pub(crate) fn check(&self) -> Result<(), JsonError> {
        if self.sound { Ok(()) } else { self.decode().map(drop) }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The whole value.
    pub fn decode(&self) -> Result<Value, JsonError> {
        decode::decode(&self.bytes)
    }

    /// The value at the end of `path`, walking there without decoding what lies beside it.
    /// `None` when there is none, or when the bytes are malformed on the way.
    pub fn get(&self, path: &[Step]) -> Option<Value> {
        decode::get(&self.bytes, path)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Json {}

impl Default for Json {
    fn default() -> Self {
        Self::object()
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        Self::encode(value)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decode() {
            Ok(value) => write!(f, "Json({value})"),
            Err(error) => write!(f, "Json({error})"),
        }
    }
}
