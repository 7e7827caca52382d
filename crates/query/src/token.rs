//! The words of the language.

use crate::error::quote;
use crate::number::Number;
use crate::position::Span;

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A bare word: keyword, function or name.
    Word(String),
    /// `[[anything]]`: a name, whatever it contains.
    Raw(String),
    String(String),
    Number(Number),
    Symbol(Symbol),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    Comma,
    Dot,
    OpenRound,
    CloseRound,
    OpenSquare,
    CloseSquare,
    Star,
    Plus,
    Minus,
    Slash,
    Percent,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The grammar's own words. Only these need `[[…]]` to be used as a bare name; the long list
/// of reserved words in Azure's documentation is not enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Select,
    Top,
    From,
    Where,
    Group,
    By,
    As,
    And,
    Or,
    Not,
    In,
    Nin,
    True,
    False,
    Null,
    Undefined,
}

impl Keyword {
    const ALL: [(Keyword, &'static str); 16] = [
        (Keyword::Select, "SELECT"),
        (Keyword::Top, "TOP"),
        (Keyword::From, "FROM"),
        (Keyword::Where, "WHERE"),
        (Keyword::Group, "GROUP"),
        (Keyword::By, "BY"),
        (Keyword::As, "AS"),
        (Keyword::And, "AND"),
        (Keyword::Or, "OR"),
        (Keyword::Not, "NOT"),
        (Keyword::In, "IN"),
        (Keyword::Nin, "NIN"),
        (Keyword::True, "TRUE"),
        (Keyword::False, "FALSE"),
        (Keyword::Null, "NULL"),
        (Keyword::Undefined, "UNDEFINED"),
    ];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, text)| text.eq_ignore_ascii_case(word)).map(|(keyword, _)| keyword)
    }
}

impl Token {
    pub(crate) fn keyword(&self) -> Option<Keyword> {
        match self {
            Token::Word(word) => Keyword::from_word(word),
            _ => None,
        }
    }

    /// How an error names this token.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::Word(word) => quote(word),
            Token::Raw(raw) => format!("the bracketed name {}", quote(raw)),
            Token::String(text) => format!("the string {}", quote(text)),
            Token::Number(number) => format!("the number {number}"),
            Token::Symbol(symbol) => quote(symbol.text()),
            Token::End => "the end of the text".to_owned(),
        }
    }
}

impl Symbol {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Symbol::Comma => ",",
            Symbol::Dot => ".",
            Symbol::OpenRound => "(",
            Symbol::CloseRound => ")",
            Symbol::OpenSquare => "[",
            Symbol::CloseSquare => "]",
            Symbol::Star => "*",
            Symbol::Plus => "+",
            Symbol::Minus => "-",
            Symbol::Slash => "/",
            Symbol::Percent => "%",
            Symbol::Equal => "=",
            Symbol::NotEqual => "!=",
            Symbol::Less => "<",
            Symbol::LessOrEqual => "<=",
            Symbol::Greater => ">",
            Symbol::GreaterOrEqual => ">=",
        }
    }
}
