//! A condition as a whole, and what to say when something stands behind it.

use super::Parser;
use crate::error::Error;
use crate::syntax::{Expr, Literal};
use crate::token::{Symbol, Token};

impl Parser {
    /// A condition and nothing behind it.
    pub(super) fn whole_condition(mut self) -> Result<Expr, Error> {
        // A route without anything behind WHERE never matches: there is no answer.
        if self.dialect.is_route() && *self.peek() == Token::End {
            return Ok(Expr::Literal { value: Literal::Undefined, span: self.span() });
        }
        let condition = self.condition()?.expr;
        if *self.peek() != Token::End {
            return Err(self.unexpected_behind(&condition, "AND, OR"));
        }
        Ok(condition)
    }

    /// The error for whatever stands behind a finished condition.
    pub(super) fn unexpected_behind(&self, condition: &Expr, connectors: &str) -> Error {
        let end = self.end_name;
        let error = if may_be_compared(condition) {
            self.unexpected(format!("a comparison or {end}"))
        } else {
            self.unexpected(format!("{connectors} or {end}"))
        };
        match self.peek() {
            Token::Symbol(Symbol::CloseRound) => error.hint("There is no ( for this )"),
            Token::Word(_) | Token::Name(_) | Token::Number(_)
                if error.hint.is_none() && ends_with_word(condition) =>
            {
                error.hint("Strings stand in quotes, 'text'")
            }
            _ => error,
        }
    }
}

/// Whether a comparison could follow, so that its absence is the likely mistake.
fn may_be_compared(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Literal { .. }
            | Expr::Path(_)
            | Expr::Call { .. }
            | Expr::Arithmetic { .. }
            | Expr::Coalesce { .. }
            | Expr::Negate { .. }
    )
}

/// Whether a comparison ends in a lone word, as in `tags.city = New York`.
fn ends_with_word(expr: &Expr) -> bool {
    match expr {
        Expr::Compare { right, .. } => right.as_path().is_some_and(|path| path.steps.len() == 1),
        Expr::And(terms) | Expr::Or(terms) => terms.last().is_some_and(ends_with_word),
        Expr::Not { operand, .. } => ends_with_word(operand),
        _ => false,
    }
}
