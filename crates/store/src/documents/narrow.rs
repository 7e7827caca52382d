//! A condition that every wanted document meets, so that an engine may skip the others.
//!
//! It is weaker than the query it was made from: strings and numbers equal or ordered, the start
//! of a string, key ranges. What it lets through, the caller's `accept` decides.

use super::Part;

/// A necessary condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Narrow {
    /// Says nothing.
    #[default]
    All,
    /// No document can match.
    Nothing,
    And(Vec<Narrow>),
    Or(Vec<Narrow>),
    Compare {
        field: Field,
        comparison: Comparison,
        literal: Literal,
    },
    /// The field is a string that begins so.
    Prefix {
        field: Field,
        start: String,
    },
    /// The field is one of these.
    OneOf {
        field: Field,
        literals: Vec<Literal>,
    },
    /// The field is an array that holds this primitive among its elements.
    Holds {
        field: Field,
        literal: Literal,
    },
}

/// Something a document can be narrowed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Group,
    Name,
    /// A place inside a JSON part.
    In(Part, Vec<Step>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Name(String),
    Index(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A primitive to compare with. Comparisons hold only between two of the same kind; strings
/// compare by bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
}
