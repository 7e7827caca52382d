//! Operators, by precedence climbing: one rule for all levels instead of one rule per level,
//! so that a bracket costs few frames of our stack.
//!
//! From loose to tight: `OR`, `AND`, `NOT`, comparisons and `IN`, `+ -`, `* / %`, signs. In
//! routes: `??`, `OR`, `AND`, `= !=`, `< <= > >=` and `IN`, `+ - ||`, `* / %`, signs and `NOT`.

use super::{Parser, Tall};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::limits::{DEPTH_MAX, LIST_VALUES_MAX};
use crate::syntax::{Arithmetic, Comparison, Expr, Function, Literal};
use crate::token::{Keyword, Symbol, Token};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Coalesce,
    Or,
    And,
    Not,
    Equality,
    Comparison,
    Sum,
    Product,
    Sign,
}

#[derive(Clone, Copy)]
enum Operator {
    Coalesce,
    Or,
    And,
    Compare(Comparison),
    In { negated: bool },
    Arithmetic(Arithmetic),
    Concat,
}

impl Operator {
    fn level(self, dialect: Dialect) -> Level {
        match self {
            Operator::Coalesce => Level::Coalesce,
            Operator::Or => Level::Or,
            Operator::And => Level::And,
            Operator::Compare(Comparison::Equal | Comparison::NotEqual) if dialect.is_route() => {
                Level::Equality
            }
            Operator::Concat => Level::Sum,
            Operator::Compare(_) | Operator::In { .. } => Level::Comparison,
            Operator::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => Level::Sum,
            Operator::Arithmetic(_) => Level::Product,
        }
    }
}

impl Parser {
    pub(super) fn condition(&mut self) -> Result<Tall, Error> {
        self.climb(Level::Coalesce)
    }

    /// An expression whose operators bind at least as tightly as `floor`.
    fn climb(&mut self, floor: Level) -> Result<Tall, Error> {
        let negated =
            !self.dialect.is_route() && floor <= Level::Not && self.peek_keyword() == Some(Keyword::Not);
        let (mut left, mut ceiling) =
            if negated { (self.negation()?, Level::And) } else { (self.signed()?, Level::Sign) };
        while let Some(operator) = self.operator_ahead()
            && (floor..=ceiling).contains(&operator.level(self.dialect))
        {
            left = self.operation(operator, left)?;
            if operator.level(self.dialect) == Level::Comparison && !self.dialect.is_route() {
                ceiling = Level::And;
            }
        }
        Ok(left)
    }

    fn operator_ahead(&self) -> Option<Operator> {
        let operator = match self.peek() {
            Token::Symbol(Symbol::Plus) => Operator::Arithmetic(Arithmetic::Add),
            Token::Symbol(Symbol::Minus) => Operator::Arithmetic(Arithmetic::Subtract),
            Token::Symbol(Symbol::Star) => Operator::Arithmetic(Arithmetic::Multiply),
            Token::Symbol(Symbol::Slash) => Operator::Arithmetic(Arithmetic::Divide),
            Token::Symbol(Symbol::Percent) => Operator::Arithmetic(Arithmetic::Remainder),
            Token::Symbol(Symbol::Concat) => Operator::Concat,
            Token::Symbol(Symbol::Coalesce) => Operator::Coalesce,
            Token::Symbol(Symbol::Equal) => Operator::Compare(Comparison::Equal),
            Token::Symbol(Symbol::NotEqual) => Operator::Compare(Comparison::NotEqual),
            Token::Symbol(Symbol::Less) => Operator::Compare(Comparison::Less),
            Token::Symbol(Symbol::LessOrEqual) => Operator::Compare(Comparison::LessOrEqual),
            Token::Symbol(Symbol::Greater) => Operator::Compare(Comparison::Greater),
            Token::Symbol(Symbol::GreaterOrEqual) => Operator::Compare(Comparison::GreaterOrEqual),
            token => match token.keyword()? {
                Keyword::Or => Operator::Or,
                Keyword::And => Operator::And,
                Keyword::In => Operator::In { negated: false },
                Keyword::Nin => Operator::In { negated: true },
                Keyword::Not if self.look(1).token.keyword() == Some(Keyword::In) => {
                    Operator::In { negated: true }
                }
                _ => return None,
            },
        };
        Some(operator)
    }

    fn operation(&mut self, operator: Operator, left: Tall) -> Result<Tall, Error> {
        match operator {
            Operator::Or => self.chain(Keyword::Or, Level::And, Expr::Or, left),
            Operator::And => self.chain(Keyword::And, Level::Not, Expr::And, left),
            Operator::In { negated } => self.list(left, negated),
            Operator::Compare(op) => self.comparison(op, operator.level(self.dialect), left),
            Operator::Arithmetic(op) => {
                let sum = operator.level(self.dialect) == Level::Sum;
                let (left, right, height) =
                    self.sides(left, if sum { Level::Product } else { Level::Sign })?;
                Self::stack(Expr::Arithmetic { op, left, right }, height)
            }
            Operator::Coalesce => {
                let (left, right, height) = self.sides(left, Level::Or)?;
                Self::stack(Expr::Coalesce { left, right }, height)
            }
            Operator::Concat => {
                let (left, right, height) = self.sides(left, Level::Product)?;
                let span = left.span().to(right.span());
                let arguments = vec![*left, *right];
                Self::stack(Expr::Call { function: Function::Concat, arguments, span }, height)
            }
        }
    }

    /// The operator that stands here with both of its sides, and how many levels they have.
    fn sides(&mut self, left: Tall, tighter: Level) -> Result<(Box<Expr>, Box<Expr>, usize), Error> {
        self.advance();
        let right = self.climb(tighter)?;
        let height = left.height.max(right.height);
        Ok((Box::new(left.expr), Box::new(right.expr), height))
    }

    /// Terms joined by one keyword become one flat node, so that long chains stay shallow.
    fn chain(
        &mut self,
        joint: Keyword,
        floor: Level,
        node: fn(Vec<Expr>) -> Expr,
        first: Tall,
    ) -> Result<Tall, Error> {
        let mut height = first.height;
        let mut terms = vec![first.expr];
        while self.take_keyword(joint) {
            let next = self.climb(floor)?;
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
        let mut inner = self.climb(Level::Comparison)?;
        while let Some(not) = nots.pop() {
            let span = not.to(inner.expr.span());
            inner = Self::stack(Expr::Not { operand: Box::new(inner.expr), span }, inner.height)?;
        }
        Ok(inner)
    }

    fn comparison(&mut self, op: Comparison, level: Level, left: Tall) -> Result<Tall, Error> {
        let tighter = if level == Level::Equality { Level::Comparison } else { Level::Sum };
        let (left, right, height) = self.sides(left, tighter)?;
        // In routes the kinds of both sides tell: true = true = true is fine.
        if let Some(Operator::Compare(_)) = self.operator_ahead()
            && !self.dialect.is_route()
        {
            return Err(self
                .unexpected("AND, OR or the end of the comparison")
                .hint("Comparisons do not chain, write a < b AND b < c"));
        }
        Self::stack(Expr::Compare { op, left, right }, height)
    }

    fn list(&mut self, operand: Tall, negated: bool) -> Result<Tall, Error> {
        self.take_keyword(Keyword::Not);
        self.advance();
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
