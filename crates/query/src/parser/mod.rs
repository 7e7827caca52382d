//! Recursive descent over the tokens; a cursor with the few moves that all rules share.
//!
//! Depth is bounded twice: `nesting` counts the rules on our own stack, `Tall` the levels of
//! the tree that comes out, because a chain such as `1+1+1…` builds a deep tree in a flat loop.

mod condition;
mod expression;
mod hint;
mod path;
mod property;
mod query;
mod route;
mod value;

use crate::dialect::Dialect;
use crate::error::Error;
use crate::lexer::{Grammar, tokenize};
use crate::limits::DEPTH_MAX;
use crate::position::Span;
use crate::syntax::{Expr, Query};
use crate::token::{Keyword, Located, Symbol, Token};

pub(crate) fn parse_query(text: &str) -> Result<Query, Error> {
    Parser::new(text, Grammar::Condition(Dialect::Twin), "the end of the query")?.query()
}

pub(crate) fn parse_condition(text: &str, dialect: Dialect) -> Result<Expr, Error> {
    Parser::new(text, Grammar::Condition(dialect), "the end of the condition")?.whole_condition()
}

pub(crate) fn parse_route(text: &str) -> Result<Statement, Error> {
    Parser::new(text, Grammar::Route, "INTO")?.route()
}

pub(crate) use route::{Statement, Target};

struct Parser {
    dialect: Dialect,
    tokens: Vec<Located>,
    /// Stands behind the last token, so that looking always finds something.
    end: Located,
    at: usize,
    nesting: usize,
    /// How errors call the end of this text.
    end_name: &'static str,
}

/// An expression and how many levels it has.
struct Tall {
    expr: Expr,
    height: usize,
}

impl Parser {
    fn new(text: &str, grammar: Grammar, end_name: &'static str) -> Result<Self, Error> {
        let tokens = tokenize(text, grammar)?;
        let end = tokens.last().cloned().unwrap_or(Located { token: Token::End, span: Span::NONE });
        Ok(Self { dialect: grammar.dialect(), tokens, end, at: 0, nesting: 0, end_name })
    }

    fn look(&self, ahead: usize) -> &Located {
        self.tokens.get(self.at + ahead).unwrap_or(&self.end)
    }

    fn peek(&self) -> &Token {
        &self.look(0).token
    }

    fn span(&self) -> Span {
        self.look(0).span
    }

    /// Takes the next token; the end stays.
    fn advance(&mut self) -> Located {
        let taken = self.look(0).clone();
        if taken.token != Token::End {
            self.at += 1;
        }
        taken
    }

    /// The span of the token taken last.
    fn last_span(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(self.end.span, |last| last.span)
    }

    fn peek_keyword(&self) -> Option<Keyword> {
        self.peek().keyword()
    }

    fn take_keyword(&mut self, keyword: Keyword) -> bool {
        let found = self.peek_keyword() == Some(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn next_is(&self, ahead: usize, symbol: Symbol) -> bool {
        self.look(ahead).token == Token::Symbol(symbol)
    }

    fn take(&mut self, symbol: Symbol) -> bool {
        let found = self.next_is(0, symbol);
        if found {
            self.advance();
        }
        found
    }

    fn want(&mut self, symbol: Symbol, expected: &str) -> Result<(), Error> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// The error for the token that stands here, with the advice we have for it.
    fn unexpected(&self, expected: impl Into<String>) -> Error {
        let Located { token, span } = self.look(0);
        let error = Error::new(*span, expected, token.describe());
        match hint::for_token(token, self.dialect) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn too_deep(span: Span) -> Error {
        Error::new(span, format!("at most {DEPTH_MAX} levels of nesting"), "more")
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.nesting == DEPTH_MAX {
            return Err(Self::too_deep(self.span()));
        }
        self.nesting += 1;
        let result = rule(self);
        self.nesting -= 1;
        result
    }

    /// Puts a new node over the levels it already has.
    fn stack(expr: Expr, height_below: usize) -> Result<Tall, Error> {
        if height_below >= DEPTH_MAX {
            return Err(Self::too_deep(expr.span()));
        }
        Ok(Tall { expr, height: height_below + 1 })
    }
}
