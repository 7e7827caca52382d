//! From text to tokens with positions.
//!
//! All tokens are made before parsing begins: the text is short by law, and the parser can then
//! look ahead freely. Literals live in [`crate::lexer::literal`], the long names of routes in
//! [`crate::lexer::route`], punctuation here.

mod literal;
mod route;

use std::iter::Peekable;
use std::str::Chars;

use crate::dialect::Dialect;
use crate::error::{Error, quote};
use crate::limits::TEXT_CHARS_MAX;
use crate::position::{Position, Span};
use crate::token::{Located, Symbol, Token};

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// A condition, or for the dialect of twins a whole query.
    Condition(Dialect),
    /// `FROM … WHERE … INTO …`
    Route,
}

impl Grammar {
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Grammar::Condition(dialect) => dialect,
            Grammar::Route => Dialect::EdgeRoute,
        }
    }
}

/// The tokens of a text; the last one is [`Token::End`].
pub(crate) fn tokenize(text: &str, grammar: Grammar) -> Result<Vec<Located>, Error> {
    check_length(text)?;
    let dialect = grammar.dialect();
    let mut lexer =
        Lexer { chars: text.chars().peekable(), here: Position::START, dialect, in_source: false };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.here;
        let token = if lexer.in_source {
            lexer.source_token(start, tokens.last())?
        } else if dialect.is_route() {
            lexer.route_token(start)?
        } else {
            lexer.token(start)?
        };
        if grammar == Grammar::Route {
            lexer.follow(&token);
        }
        let end = token == Token::End;
        tokens.push(Located { token, span: lexer.span_from(start) });
        if end {
            return Ok(tokens);
        }
    }
}

fn check_length(text: &str) -> Result<(), Error> {
    let mut here = Position::START;
    for (count, c) in text.chars().enumerate() {
        if count == TEXT_CHARS_MAX {
            let expected = format!("at most {TEXT_CHARS_MAX} characters");
            return Err(Error::new(Span { start: here, end: here }, expected, "more"));
        }
        here = here.after(c);
    }
    Ok(())
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    here: Position,
    dialect: Dialect,
    /// Between `FROM` and what follows the source of a route, where `/*` starts no comment.
    in_source: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.here = self.here.after(c);
        Some(c)
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn span_from(&self, start: Position) -> Span {
        Span { start, end: self.here }
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| keep(*c)) {
            taken.push(c);
            self.next();
        }
        taken
    }

    /// Whitespace and comments.
    fn skip_blanks(&mut self) -> Result<(), Error> {
        loop {
            self.take_while(char::is_whitespace);
            if self.in_source {
                return Ok(());
            }
            let mut ahead = self.chars.clone();
            if ahead.next() != Some('/') || ahead.next() != Some('*') {
                return Ok(());
            }
            self.skip_comment()?;
        }
    }

    fn skip_comment(&mut self) -> Result<(), Error> {
        let start = self.here;
        self.next();
        self.next();
        let mut star = false;
        while let Some(c) = self.next() {
            if star && c == '/' {
                return Ok(());
            }
            star = c == '*';
        }
        Err(Error::new(self.span_from(start), "the end of this comment", "the end of the text")
            .hint("A comment starts with /* and ends with */"))
    }

    fn token(&mut self, start: Position) -> Result<Token, Error> {
        match self.peek() {
            None => Ok(Token::End),
            Some(quote @ ('\'' | '"')) => self.string(quote, start).map(Token::String),
            Some('0'..='9') => self.number(start).map(Token::Number),
            Some(c) if starts_word(c) => Ok(Token::Word(self.take_while(continues_word))),
            Some(c) => {
                self.next();
                self.symbol(c, start)
            }
        }
    }

    fn symbol(&mut self, c: char, start: Position) -> Result<Token, Error> {
        let symbol = match c {
            ',' => Symbol::Comma,
            '.' => Symbol::Dot,
            '(' => Symbol::OpenRound,
            ')' => Symbol::CloseRound,
            '[' if !self.dialect.is_route() && self.take('[') => return self.raw(start).map(Token::Raw),
            '[' => Symbol::OpenSquare,
            ']' => Symbol::CloseSquare,
            '*' => Symbol::Star,
            '+' => Symbol::Plus,
            '-' => Symbol::Minus,
            '/' => Symbol::Slash,
            '%' => Symbol::Percent,
            '|' if self.dialect.is_route() && self.take('|') => Symbol::Concat,
            '?' if self.dialect.is_route() && self.take('?') => Symbol::Coalesce,
            '{' if self.dialect.is_route() => Symbol::OpenCurly,
            '}' if self.dialect.is_route() => Symbol::CloseCurly,
            '=' if self.take('=') => {
                return Err(self.unknown("==", start).hint("Equality is written with one sign, ="));
            }
            '=' => Symbol::Equal,
            '!' if self.take('=') => Symbol::NotEqual,
            '<' if self.take('>') => Symbol::NotEqual,
            '<' if self.take('=') => Symbol::LessOrEqual,
            '<' => Symbol::Less,
            '>' if self.take('=') => Symbol::GreaterOrEqual,
            '>' => Symbol::Greater,
            other => return Err(self.unknown_char(other, start)),
        };
        Ok(Token::Symbol(symbol))
    }

    fn unknown(&self, text: &str, start: Position) -> Error {
        Error::new(self.span_from(start), "a word, a value or an operator", quote(text))
    }

    fn unknown_char(&mut self, c: char, start: Position) -> Error {
        let hint = match c {
            ';' => {
                return Error::new(self.span_from(start), "the end of the text", "a semicolon").hint(
                    if self.dialect.is_route() {
                        "A condition is one statement, leave the semicolon out"
                    } else {
                        "A query is one statement, leave the semicolon out"
                    },
                );
            }
            '!' => "Negation is written NOT, inequality !=",
            '&' => "Both conditions is written AND",
            '|' => "Either condition is written OR",
            '`' | '‘' | '’' | '“' | '”' | '´' => "Strings stand in straight quotes, 'text'",
            _ if self.dialect.is_route() => "Names hold no blanks and none of ( ) < > @ , : \\ \" / ? = { }",
            _ => "Names with unusual characters stand in double brackets, tags.[[my-key]]",
        };
        self.unknown(c.encode_utf8(&mut [0; 4]), start).hint(hint)
    }
}

pub(crate) fn starts_word(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic()
}

pub(crate) fn continues_word(c: char) -> bool {
    starts_word(c) || c.is_numeric()
}
