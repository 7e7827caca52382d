//! The words of routes.
//!
//! A name of a message runs until a blank or one of the characters that no property may have, so
//! `my-key`, `a.b` and `a+b` are names. Operators without blanks around them that could not end
//! a name are operators all the same: `a!='x'` and `a||b`.

use super::Lexer;
use crate::error::Error;
use crate::number::Number;
use crate::position::Position;
use crate::token::{Keyword, Located, Symbol, Token};

impl Lexer<'_> {
    pub(super) fn route_token(&mut self, start: Position) -> Result<Token, Error> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        // A point starts a number only.
        if first == '.' && self.ahead(1).is_some_and(|c| c.is_ascii_digit()) {
            return self.route_word(start);
        }
        if is_operator(first) || first == '.' || !continues_name(first) {
            return self.token(start);
        }
        self.route_word(start)
    }

    /// A token between `FROM` and `WHERE` or `INTO`: right behind a slash every word is a segment.
    pub(super) fn source_token(&mut self, start: Position, before: Option<&Located>) -> Result<Token, Error> {
        if !self.peek().is_some_and(continues_name) {
            return self.token(start);
        }
        let word = self.take_while(continues_name);
        if word == "*" {
            return Ok(Token::Symbol(Symbol::Star));
        }
        let slash =
            |before: &Located| before.token == Token::Symbol(Symbol::Slash) && before.span.end == start;
        let segment = before.is_some_and(slash);
        Ok(match Keyword::from_route_word(&word, self.dialect) {
            Some(keyword) if !segment => Token::Keyword(keyword, word),
            _ => Token::Name(word),
        })
    }

    /// Notices where a route's source starts and ends.
    pub(super) fn follow(&mut self, token: &Token) {
        match token {
            Token::Keyword(Keyword::From, _) => self.in_source = true,
            Token::Keyword(..) | Token::End => self.in_source = false,
            _ => {}
        }
    }

    fn route_word(&mut self, start: Position) -> Result<Token, Error> {
        let brackets = self.peek() == Some('$');
        let mut word = String::new();
        while let Some(c) = self.peek() {
            let operator = matches!((c, self.ahead(1)), ('!', Some('=')) | ('|', Some('|')));
            if operator || !(continues_name(c) || brackets && matches!(c, '[' | ']')) {
                break;
            }
            word.push(c);
            self.next();
        }
        if let Some(number) = self.number_of(&word, start)? {
            return Ok(Token::Number(number));
        }
        Ok(match Keyword::from_route_word(&word, self.dialect) {
            Some(keyword) => Token::Keyword(keyword, word),
            None => Token::Name(word),
        })
    }

    /// The number that a word is, if it is one. A literal beyond the doubles is infinite.
    fn number_of(&self, word: &str, start: Position) -> Result<Option<Number>, Error> {
        if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))
            && digits.chars().all(|c| c.is_ascii_hexdigit())
            && !digits.is_empty()
        {
            return match u64::from_str_radix(digits, 16) {
                Ok(number) => Ok(Some(Number::from(number))),
                Err(_) => Err(Error::new(
                    self.span_from(start),
                    "up to 16 hexadecimal digits behind 0x",
                    crate::error::quote(digits),
                )),
            };
        }
        let starts = word.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let ends = word.ends_with(|c: char| c.is_ascii_digit());
        if !starts || !ends {
            return Ok(None);
        }
        if let Some(number) = Number::from_text(word) {
            return Ok(Some(number));
        }
        let plain = word.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'e' | b'E'));
        Ok(if plain { word.parse().ok().and_then(Number::from_ieee) } else { None })
    }

    fn ahead(&self, count: usize) -> Option<char> {
        self.chars.clone().nth(count)
    }
}

/// What a property's name may hold; a quote starts a string.
pub(crate) fn continues_name(c: char) -> bool {
    const NEVER: &str = "()<>@,;:\\\"/[]?={}'`";
    !NEVER.contains(c) && !c.is_whitespace() && !c.is_control() && !matches!(c, '‘' | '’' | '“' | '”' | '´')
}

/// What is an operator, or a mistake, where a name could start.
fn is_operator(c: char) -> bool {
    matches!(c, '+' | '-' | '*' | '%' | '|' | '!' | '&')
}
