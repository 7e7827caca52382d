//! Strings, numbers and bracketed names.

use super::{Lexer, continues_word};
use crate::error::{Error, quote};
use crate::number::Number;
use crate::position::Position;

impl Lexer<'_> {
    /// A string, with backslash escapes (Azure's queries) and doubled quotes (Azure's target
    /// conditions) alike.
    pub(super) fn string(&mut self, quote: char, start: Position) -> Result<String, Error> {
        self.next();
        let mut text = String::new();
        loop {
            let at = self.here;
            match self.next() {
                None => {
                    return Err(Error::new(
                        self.span_from(start),
                        "the closing quote",
                        "the end of the text",
                    )
                    .hint("A quote inside a string is doubled or follows a backslash"));
                }
                Some('\\') => text.push(self.escape(at)?),
                Some(c) if c == quote => {
                    if !self.take(quote) {
                        return Ok(text);
                    }
                    text.push(quote);
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, start: Position) -> Result<char, Error> {
        const EXPECTED: &str = "one of the escapes \\' \\\" \\\\ \\uXXXX";
        match self.next() {
            Some(c @ ('\'' | '"' | '\\')) => Ok(c),
            Some('u') => {
                let first = self.code_unit(start)?;
                // Characters beyond 16 bits are two units, as in JSON.
                let units = if (0xD800..0xDC00).contains(&first) && self.take('\\') && self.take('u') {
                    vec![first, self.code_unit(start)?]
                } else {
                    vec![first]
                };
                match char::decode_utf16(units).next() {
                    Some(Ok(c)) => Ok(c),
                    _ => Err(Error::new(
                        self.span_from(start),
                        "a whole character",
                        "half of a surrogate pair",
                    )),
                }
            }
            Some(c) => {
                let found = quote(&format!("\\{c}"));
                Err(Error::new(self.span_from(start), EXPECTED, found)
                    .hint("A backslash itself is written twice"))
            }
            None => Err(Error::new(self.span_from(start), EXPECTED, "the end of the text")),
        }
    }

    /// The four hexadecimal digits behind `\u`.
    fn code_unit(&mut self, start: Position) -> Result<u16, Error> {
        let mut unit: u16 = 0;
        for _ in 0..4 {
            match self.peek().and_then(|c| c.to_digit(16)).and_then(|digit| u16::try_from(digit).ok()) {
                Some(digit) => {
                    unit = unit << 4 | digit;
                    self.next();
                }
                None => {
                    let found = self.peek().map_or_else(
                        || "the end of the text".to_owned(),
                        |c| quote(c.encode_utf8(&mut [0; 4])),
                    );
                    return Err(Error::new(
                        self.span_from(start),
                        "four hexadecimal digits behind \\u",
                        found,
                    ));
                }
            }
        }
        Ok(unit)
    }

    pub(super) fn number(&mut self, start: Position) -> Result<Number, Error> {
        let mut text = self.take_while(|c| c.is_ascii_digit());
        if text == "0" && (self.take('x') || self.take('X')) {
            let digits = self.take_while(continues_word);
            return u64::from_str_radix(&digits, 16).map(Number::from).map_err(|_| {
                Error::new(self.span_from(start), "up to 16 hexadecimal digits behind 0x", quote(&digits))
            });
        }
        if self.fraction_follows() {
            self.next();
            text.push('.');
            text.push_str(&self.take_while(|c| c.is_ascii_digit()));
        }
        if self.take('e') || self.take('E') {
            text.push('e');
            if self.take('-') {
                text.push('-');
            } else {
                self.take('+');
            }
            text.push_str(&self.take_while(|c| c.is_ascii_digit()));
        }
        let rest = self.take_while(continues_word);
        if !rest.is_empty() {
            return Err(Error::new(self.span_from(start), "a number", quote(&(text + &rest)))
                .hint("Names that start with a digit stand in double brackets, tags.[[1st]]"));
        }
        Number::from_text(&text)
            .ok_or_else(|| Error::new(self.span_from(start), "a number that fits a double", quote(&text)))
    }

    /// A point belongs to the number only if a digit follows.
    fn fraction_follows(&self) -> bool {
        let mut ahead = self.chars.clone();
        ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit())
    }

    /// The rest of `[[anything]]`.
    pub(super) fn raw(&mut self, start: Position) -> Result<String, Error> {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if c == ']' && self.take(']') {
                if text.is_empty() {
                    return Err(Error::new(self.span_from(start), "a name in double brackets", "none"));
                }
                return Ok(text);
            }
            text.push(c);
        }
        Err(Error::new(self.span_from(start), "]] behind the bracketed name", "the end of the text"))
    }
}
