//! Conditions: `OR` over `AND` over `NOT` over comparisons.

use super::{Parser, Tall};
use crate::error::Error;
use crate::limits::{DEPTH_MAX, LIST_VALUES_MAX};
use crate::syntax::{Comparison, Expr, Literal};
use crate::token::{Keyword, Symbol, Token};

impl Parser {
    /// A condition and nothing behind it.
    pub(super) fn whole_condition(mut self) -> Result<Expr, Error> {
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
            Token::Word(_) | Token::Number(_) if error.hint.is_none() && ends_with_word(condition) => {
                error.hint("Strings stand in quotes, 'text'")
            }
            _ => error,
        }
    }

    pub(super) fn condition(&mut self) -> Result<Tall, Error> {
        self.chain(Keyword::Or, Self::conjunction, Expr::Or)
    }

    fn conjunction(&mut self) -> Result<Tall, Error> {
        self.chain(Keyword::And, Self::negation, Expr::And)
    }

    /// Terms joined by one keyword become one flat node, so that long chains stay shallow.
    fn chain(
        &mut self,
        joint: Keyword,
        term: fn(&mut Self) -> Result<Tall, Error>,
        node: fn(Vec<Expr>) -> Expr,
    ) -> Result<Tall, Error> {
        let first = term(self)?;
        if self.peek_keyword() != Some(joint) {
            return Ok(first);
        }
        let mut height = first.height;
        let mut terms = vec![first.expr];
        while self.take_keyword(joint) {
            let next = term(self)?;
            height = height.max(next.height);
            terms.push(next.expr);
        }
        Self::stack(node(terms), height)
    }

    fn negation(&mut self) -> Result<Tall, Error> {
        let mut nots = Vec::new();
        while self.peek_keyword() == Some(Keyword::Not) {
            if nots.len() == DEPTH_MAX {
                return Err(Self::too_deep(self.span()));
            }
            nots.push(self.advance().span);
        }
        let mut inner = self.comparison()?;
        while let Some(not) = nots.pop() {
            let span = not.to(inner.expr.span());
            inner = Self::stack(Expr::Not { operand: Box::new(inner.expr), span }, inner.height)?;
        }
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Tall, Error> {
        let left = self.sum()?;
        if let Some(op) = self.comparison_ahead() {
            self.advance();
            let right = self.sum()?;
            if self.comparison_ahead().is_some() {
                return Err(self
                    .unexpected("AND, OR or the end of the comparison")
                    .hint("Comparisons do not chain, write a < b AND b < c"));
            }
            let height = left.height.max(right.height);
            let (left, right) = (Box::new(left.expr), Box::new(right.expr));
            return Self::stack(Expr::Compare { op, left, right }, height);
        }
        let negated = match (self.peek_keyword(), self.look(1).token.keyword()) {
            (Some(Keyword::In), _) => false,
            (Some(Keyword::Nin), _) => true,
            (Some(Keyword::Not), Some(Keyword::In)) => {
                self.advance();
                true
            }
            _ => return Ok(left),
        };
        self.advance();
        self.list(left, negated)
    }

    fn comparison_ahead(&self) -> Option<Comparison> {
        match self.peek() {
            Token::Symbol(Symbol::Equal) => Some(Comparison::Equal),
            Token::Symbol(Symbol::NotEqual) => Some(Comparison::NotEqual),
            Token::Symbol(Symbol::Less) => Some(Comparison::Less),
            Token::Symbol(Symbol::LessOrEqual) => Some(Comparison::LessOrEqual),
            Token::Symbol(Symbol::Greater) => Some(Comparison::Greater),
            Token::Symbol(Symbol::GreaterOrEqual) => Some(Comparison::GreaterOrEqual),
            _ => None,
        }
    }

    fn list(&mut self, operand: Tall, negated: bool) -> Result<Tall, Error> {
        if !self.take(Symbol::OpenSquare) {
            return Err(self
                .unexpected("[ and a list of constants")
                .hint("The list of IN stands in square brackets, x IN ['a', 'b']"));
        }
        let mut values: Vec<Literal> = Vec::new();
        loop {
            if values.len() == LIST_VALUES_MAX {
                let expected = format!("at most {LIST_VALUES_MAX} values");
                return Err(Error::new(self.span(), expected, "more"));
            }
            values.push(self.constant()?);
            if !self.take(Symbol::Comma) {
                break;
            }
        }
        self.want(Symbol::CloseSquare, "a comma or ] behind the value")?;
        let span = operand.expr.span().to(self.last_span());
        Self::stack(Expr::In { operand: Box::new(operand.expr), values, negated, span }, operand.height)
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
