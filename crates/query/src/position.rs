//! Places in a query's text, counted the way an editor shows them.

use std::fmt;

/// A place in the text: line and column, both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    pub const START: Position = Position { line: 1, column: 1 };

    /// The place behind `c`, if `c` stands here.
    pub(crate) fn after(self, c: char) -> Self {
        if c == '\n' {
            Self { line: self.line.saturating_add(1), column: 1 }
        } else {
            Self { line: self.line, column: self.column.saturating_add(1) }
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// From the first character of something to the place behind its last.
///
/// All spans are equal: where a thing stands is not part of what it says, so two trees
/// compare by meaning, and a tree that was printed and parsed again equals the first.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: Position,
    pub end: Position,
}

impl Span {
    /// For trees that were not read from a text.
    pub const NONE: Span = Span { start: Position::START, end: Position::START };

    /// From the start of this one to the end of `last`.
    pub fn to(self, last: Span) -> Span {
        Span { start: self.start, end: last.end }
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}
