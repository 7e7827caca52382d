//! Values: signs, literals, calls, brackets.

use super::{Parser, Tall, hint};
use crate::dialect::Dialect;
use crate::error::{Error, quote};
use crate::limits::DEPTH_MAX;
use crate::suggest::nearest;
use crate::syntax::{AggregateFunction, Expr, Function, Literal};
use crate::token::{Keyword, Located, Symbol, Token};

impl Parser {
    /// Any number of minus signs, in routes of `NOT`, too; the sign before a number belongs to
    /// the number.
    pub(super) fn signed(&mut self) -> Result<Tall, Error> {
        let mut signs = Vec::new();
        loop {
            let not = self.dialect.is_route() && self.peek_keyword() == Some(Keyword::Not);
            if !not && !self.next_is(0, Symbol::Minus) {
                break;
            }
            if signs.len() == DEPTH_MAX {
                return Err(Self::too_deep(self.span()));
            }
            signs.push((not, self.advance().span));
        }
        let mut value = match (self.peek(), signs.last()) {
            (Token::Number(number), Some((false, sign))) => {
                let value = Literal::Number(number.negated());
                let span = sign.to(self.advance().span);
                signs.pop();
                Self::stack(Expr::Literal { value, span }, 0)?
            }
            _ => self.primary()?,
        };
        while let Some((not, sign)) = signs.pop() {
            let span = sign.to(value.expr.span());
            let operand = Box::new(value.expr);
            let node = if not { Expr::Not { operand, span } } else { Expr::Negate { operand, span } };
            value = Self::stack(node, value.height)?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Tall, Error> {
        if let Some(value) = self.literal_ahead() {
            let span = self.advance().span;
            return Self::stack(Expr::Literal { value, span }, 0);
        }
        if self.take(Symbol::OpenRound) {
            let inner = self.nested(Self::condition)?;
            self.want(Symbol::CloseRound, "an operator or )")?;
            return Ok(inner);
        }
        if matches!(self.peek(), Token::Name(_)) {
            if self.next_is(1, Symbol::OpenRound) {
                return self.call();
            }
            return Self::stack(Expr::Path(self.property()?), 0);
        }
        if self.take(Symbol::OpenCurly) {
            return Self::stack(Expr::Path(self.braced()?), 0);
        }
        if self.path_ahead() {
            if matches!(self.peek(), Token::Word(_)) && self.next_is(1, Symbol::OpenRound) {
                return self.call();
            }
            return Self::stack(Expr::Path(self.path()?.path), 0);
        }
        Err(self.unexpected("a value, a property or a function"))
    }

    /// The constant that stands here, if one does; a sign is not part of it.
    fn literal_ahead(&self) -> Option<Literal> {
        match self.peek() {
            Token::Number(number) => Some(Literal::Number(*number)),
            Token::String(text) => Some(Literal::String(text.clone())),
            token => match token.keyword()? {
                Keyword::True => Some(Literal::Bool(true)),
                Keyword::False => Some(Literal::Bool(false)),
                Keyword::Null => Some(Literal::Null),
                Keyword::Undefined => Some(Literal::Undefined),
                _ => None,
            },
        }
    }

    /// A constant in a list, where numbers may carry a sign.
    pub(super) fn constant(&mut self) -> Result<Literal, Error> {
        let negative = self.take(Symbol::Minus);
        match (self.literal_ahead(), negative) {
            (Some(Literal::Number(number)), true) => {
                self.advance();
                Ok(Literal::Number(number.negated()))
            }
            (Some(value), false) => {
                self.advance();
                Ok(value)
            }
            (_, true) => Err(self.unexpected("a number behind the sign")),
            (None, false) => {
                let error = self.unexpected("a constant");
                let word = matches!(self.peek(), Token::Word(_) | Token::Name(_));
                Err(if word { error.hint("Strings stand in quotes, ['a', 'b']") } else { error })
            }
        }
    }

    fn call(&mut self) -> Result<Tall, Error> {
        let name = self.advance();
        let function = function_of(&name, self.dialect)?;
        self.advance();
        if function == Function::TwinChangeIncludes {
            let arguments = vec![Expr::Path(self.changed()?)];
            let span = name.span.to(self.last_span());
            return Self::stack(Expr::Call { function, arguments, span }, 1);
        }
        let mut arguments = Vec::new();
        let mut height = 0;
        if !self.take(Symbol::CloseRound) {
            loop {
                let argument = self.nested(Self::condition)?;
                height = height.max(argument.height);
                arguments.push(argument.expr);
                if !self.take(Symbol::Comma) {
                    break;
                }
            }
            self.want(Symbol::CloseRound, "a comma or ) behind the argument")?;
        }
        let span = name.span.to(self.last_span());
        Self::stack(Expr::Call { function, arguments, span }, height)
    }
}

fn function_of(name: &Located, dialect: Dialect) -> Result<Function, Error> {
    let (Token::Word(word) | Token::Name(word)) = &name.token else {
        return Err(Error::new(name.span, "the name of a function", name.token.describe()));
    };
    let error = Error::new(name.span, "the name of a function", quote(word));
    match Function::from_name(word) {
        Some(function) if function.exists_in(dialect) => return Ok(function),
        Some(Function::TwinChangeIncludes) => return Err(error.hint("Only routes know changes of twins")),
        Some(_) => {
            let hint = "The edge's routes see no lists and no objects, only the hub's know this function";
            return Err(error.hint(hint));
        }
        None => {}
    }
    if AggregateFunction::from_name(word).is_some() {
        return Err(error.hint("Aggregates stand in SELECT only"));
    }
    if let Some(hint) = hint::for_word(word) {
        return Err(error.hint(hint));
    }
    let known = Function::ALL.into_iter().filter(|function| function.exists_in(dialect));
    Err(match nearest(word, known.map(Function::name)) {
        Some(near) => error.hint(format!("Did you mean {near}?")),
        None => error,
    })
}
