//! Expressions and conditions.

use super::{Function, Path};
use crate::number::Number;
use crate::position::Span;

/// An expression; a condition is one that gives `true`, `false` or undefined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Literal {
        value: Literal,
        span: Span,
    },
    Path(Path),
    Call {
        function: Function,
        arguments: Vec<Expr>,
        span: Span,
    },
    /// `-x`; the sign of a literal is part of the literal.
    Negate {
        operand: Box<Expr>,
        span: Span,
    },
    Arithmetic {
        op: Arithmetic,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Undefined unless both sides are of one primitive kind. With the literal `undefined` on
    /// a side, `=` and `!=` ask whether the other side is there.
    Compare {
        op: Comparison,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `x IN [..]`, or with `negated` `x NIN [..]`.
    In {
        operand: Box<Expr>,
        values: Vec<Literal>,
        negated: bool,
        span: Span,
    },
    Not {
        operand: Box<Expr>,
        span: Span,
    },
    /// `left ?? right`: the left side, or the right one where the left is undefined.
    Coalesce {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Two or more terms; a chain without brackets is one node.
    And(Vec<Expr>),
    /// Two or more terms; a chain without brackets is one node.
    Or(Vec<Expr>),
}

/// A constant of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    Undefined,
    Null,
    Bool(bool),
    Number(Number),
    String(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Expr {
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Expr::Path(path) => Some(path),
            _ => None,
        }
    }

    pub fn as_literal(&self) -> Option<&Literal> {
        match self {
            Expr::Literal { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Whether it can only be true, false or undefined.
    pub(crate) fn is_condition(&self) -> bool {
        match self {
            Expr::Compare { .. } | Expr::In { .. } | Expr::Not { .. } | Expr::And(_) | Expr::Or(_) => true,
            Expr::Call { function, .. } => function.is_predicate(),
            Expr::Coalesce { left, .. } => left.is_condition(),
            _ => false,
        }
    }

    /// Whether its value is known to be of any kind only when a message is there. The functions
    /// and comparisons of routes look at this, and need not look below one another for it.
    pub(crate) fn is_dynamic(&self) -> bool {
        match self {
            Expr::Path(path) => path.is_dynamic(),
            Expr::Negate { operand, .. } | Expr::Not { operand, .. } => operand.is_dynamic(),
            Expr::Arithmetic { left, right, .. } | Expr::Coalesce { left, right } => {
                left.is_dynamic() || right.is_dynamic()
            }
            _ => false,
        }
    }

    /// Where it stands in the text, without brackets around it.
    pub fn span(&self) -> Span {
        match self {
            Expr::Literal { span, .. }
            | Expr::Call { span, .. }
            | Expr::Negate { span, .. }
            | Expr::In { span, .. }
            | Expr::Not { span, .. } => *span,
            Expr::Path(path) => path.span,
            Expr::Arithmetic { left, right, .. }
            | Expr::Compare { left, right, .. }
            | Expr::Coalesce { left, right } => left.span().to(right.span()),
            Expr::And(terms) | Expr::Or(terms) => match (terms.first(), terms.last()) {
                (Some(first), Some(last)) => first.span().to(last.span()),
                _ => Span::NONE,
            },
        }
    }
}

impl Comparison {
    /// The same comparison with its sides exchanged: `a < b` is `b > a`.
    pub fn mirrored(self) -> Self {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            same => same,
        }
    }
}
