//! The frame of a route: `[SELECT *] FROM source [WHERE condition] INTO sink`.

use super::Parser;
use crate::error::{Error, quote};
use crate::position::Span;
use crate::syntax::Expr;
use crate::token::{Keyword, Located, Symbol, Token};

/// A route as it was written.
pub(crate) struct Statement {
    /// The segments of the source, without a star at the end.
    pub(crate) source: Vec<String>,
    pub(crate) condition: Option<Expr>,
    pub(crate) sink: Target,
}

pub(crate) enum Target {
    Upstream,
    Module { module: String, input: String },
}

impl Parser {
    pub(super) fn route(mut self) -> Result<Statement, Error> {
        if self.take_keyword(Keyword::Select) {
            self.want(Symbol::Star, "* behind SELECT")?;
        }
        if !self.take_keyword(Keyword::From) {
            return Err(self.unexpected("FROM").hint("A route reads FROM source WHERE condition INTO sink"));
        }
        let source = self.route_source()?;
        let condition = if self.take_keyword(Keyword::Where) { Some(self.condition()?.expr) } else { None };
        if !self.take_keyword(Keyword::Into) {
            return Err(match &condition {
                Some(condition) => self.unexpected_behind(condition, "AND, OR"),
                None => self.unexpected("WHERE or INTO"),
            });
        }
        let sink = self.sink()?;
        if *self.peek() != Token::End {
            let error = self.unexpected("the end of the route");
            return Err(match self.peek_keyword() {
                Some(Keyword::Where) => error.hint("WHERE stands before INTO"),
                _ => error,
            });
        }
        Ok(Statement { source, condition, sink })
    }

    fn route_source(&mut self) -> Result<Vec<String>, Error> {
        if !self.next_is(0, Symbol::Slash) {
            return Err(self
                .unexpected("a source that starts with /")
                .hint("Such as /messages/*, /messages/modules/NAME/outputs/* or /twinChangeNotifications"));
        }
        let mut segments = Vec::new();
        while self.take(Symbol::Slash) {
            if self.take(Symbol::Star) {
                segments.push("*".to_owned());
            } else if let Token::Name(name) = self.peek() {
                segments.push(name.clone());
                self.advance();
            } else {
                break;
            }
        }
        // Stars at the end say nothing: a source stands for everything below it.
        while let Some(last) = segments.pop() {
            let kept = last.trim_end_matches('*');
            if !kept.is_empty() {
                segments.push(kept.to_owned());
                break;
            }
        }
        Ok(segments)
    }

    fn sink(&mut self) -> Result<Target, Error> {
        const SINKS: &str = "$upstream or BrokeredEndpoint(\"/modules/NAME/inputs/NAME\")";
        let Located { token: Token::Name(name), span } = self.look(0).clone() else {
            return Err(self.unexpected(SINKS));
        };
        if name.eq_ignore_ascii_case("$upstream") {
            self.advance();
            return Ok(Target::Upstream);
        }
        if !name.eq_ignore_ascii_case("BrokeredEndpoint") {
            let error = Error::new(span, SINKS, quote(&name));
            return Err(if name.eq_ignore_ascii_case("upstream") {
                error.hint("A $ belongs to it, $upstream")
            } else {
                error
            });
        }
        self.advance();
        self.want(Symbol::OpenRound, "( behind BrokeredEndpoint")?;
        let Located { token: Token::String(address), span } = self.look(0).clone() else {
            return Err(self.unexpected("the module's input in quotes, \"/modules/NAME/inputs/NAME\""));
        };
        self.advance();
        let target = input_of(&address, span)?;
        self.want(Symbol::CloseRound, ") behind the module's input")?;
        Ok(target)
    }
}

/// Takes `/modules/{module}/inputs/{input}` apart. Only the second and the fourth segment count;
/// what stands in the others was never looked at.
fn input_of(address: &str, span: Span) -> Result<Target, Error> {
    let trimmed = address.trim();
    let inner = trimmed.strip_prefix('/').unwrap_or(trimmed);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let segments: Vec<&str> = inner.split('/').map(str::trim).collect();
    match segments.as_slice() {
        [_, module, _, input] if !module.is_empty() && !input.is_empty() => {
            Ok(Target::Module { module: (*module).to_owned(), input: (*input).to_owned() })
        }
        _ => Err(Error::new(span, "the input of a module, /modules/NAME/inputs/NAME", quote(address))),
    }
}
