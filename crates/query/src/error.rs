//! The one failure of this crate's parser: what was expected, what stood there, and where.
//!
//! The text travels inside Azure's error bodies, which SDKs take apart at `;` and by the word
//! "errorcode". Neither may come out of [`Error`]'s `Display`, not even when the query itself
//! contains it, so everything taken from the query passes through [`quote`].

use std::fmt;

use crate::position::{Position, Span};

/// Longest piece of the query's text that a message repeats.
const QUOTED_CHARS_MAX: usize = 40;

/// A query or condition that cannot be used, with the place and, where we know it, the cure.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: expected {expected}, found {found}{}", .span.start, Hint(.hint.as_deref()))]
pub struct Error {
    pub span: Span,
    pub expected: String,
    pub found: String,
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(span: Span, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { span, expected: expected.into(), found: found.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where the trouble starts.
    pub fn position(&self) -> Position {
        self.span.start
    }
}

struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(f, ". {hint}"),
            None => Ok(()),
        }
    }
}

/// A piece of the query's text, made safe for a message: short, printable, without the two
/// things that break clients.
pub(crate) fn quote(text: &str) -> String {
    if text.to_ascii_lowercase().contains("errorcode") {
        return "\"…\"".to_owned();
    }
    let mut out = String::from("\"");
    for (at, c) in text.chars().enumerate() {
        if at == QUOTED_CHARS_MAX {
            out.push('…');
            break;
        }
        match c {
            ';' => out.push_str("\\u003B"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_cannot_break_the_clients_that_split_messages() {
        assert_eq!(quote("a;b\n"), "\"a\\u003Bb\\u{a}\"");
        assert!(!quote("myErrorCode").to_lowercase().contains("errorcode"));
        assert_eq!(quote(&"x".repeat(99)).chars().count(), QUOTED_CHARS_MAX + 3);
    }
}
