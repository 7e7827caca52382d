//! The three answers of a condition.

use std::fmt;

/// What a condition says about a message. Only [`Truth::True`] lets it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    True,
    False,
    /// Something that the condition needs is not there, or not of the kind that it needs.
    Undefined,
}

impl Truth {
    pub fn is_true(self) -> bool {
        self == Truth::True
    }
}

impl From<Option<bool>> for Truth {
    fn from(answer: Option<bool>) -> Self {
        match answer {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Undefined,
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Undefined => "undefined",
        })
    }
}
