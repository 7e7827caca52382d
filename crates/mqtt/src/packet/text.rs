//! Text as MQTT means it: UTF-8 without control characters or non-characters, at most 64 KiB.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// A slice of the block it was read from.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// `None` when the bytes are not such a text.
    pub fn new(bytes: Bytes) -> Option<Self> {
        let text = std::str::from_utf8(&bytes).ok()?;
        // Most texts are ASCII, and then one look at each byte is enough.
        let is_fit = match text.is_ascii() {
            true => text.bytes().all(|byte| byte >= 0x20 && byte != 0x7f),
            false => text.chars().all(|c| !c.is_control() && !is_no_character(c)),
        };
        (is_fit && bytes.len() <= usize::from(u16::MAX)).then_some(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        // Checked when it was made; a second look costs less than keeping two forms of it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    /// For texts of our own; what does not fit becomes the empty text.
    fn from(text: &str) -> Self {
        Self::new(Bytes::copy_from_slice(text.as_bytes())).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_no_character(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}
