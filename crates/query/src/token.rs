//! The words of the language.

use crate::dialect::Dialect;
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
    /// A bare word of a query: keyword, function or name.
    Word(String),
    /// A keyword of a route, as it was written.
    Keyword(Keyword, String),
    /// A name of a route, with its points, hyphens and, behind `$`, square brackets.
    Name(String),
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
    OpenCurly,
    CloseCurly,
    Star,
    Plus,
    Minus,
    Slash,
    Percent,
    Concat,
    Coalesce,
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
    Into,
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
    const ALL: [(Keyword, &'static str); 17] = [
        (Keyword::Select, "SELECT"),
        (Keyword::Top, "TOP"),
        (Keyword::From, "FROM"),
        (Keyword::Where, "WHERE"),
        (Keyword::Into, "INTO"),
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

    /// The keyword of a query.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::of_any_dialect(word).filter(|keyword| *keyword != Keyword::Into)
    }

    /// The keyword of a route. Constants are written in small letters there, `TRUE` is a name,
    /// and lists exist in the hub's routes only.
    pub(crate) fn from_route_word(word: &str, dialect: Dialect) -> Option<Self> {
        Self::of_any_dialect(word).filter(|keyword| match keyword {
            Keyword::Top | Keyword::Group | Keyword::By | Keyword::As => false,
            Keyword::True | Keyword::False | Keyword::Null | Keyword::Undefined => {
                word.bytes().all(|c| c.is_ascii_lowercase())
            }
            Keyword::In | Keyword::Nin => dialect == Dialect::HubRoute,
            _ => true,
        })
    }

    fn of_any_dialect(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, text)| text.eq_ignore_ascii_case(word)).map(|(keyword, _)| keyword)
    }
}

impl Token {
    pub(crate) fn keyword(&self) -> Option<Keyword> {
        match self {
            Token::Word(word) => Keyword::from_word(word),
            Token::Keyword(keyword, _) => Some(*keyword),
            _ => None,
        }
    }

    /// How an error names this token.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::Word(word) | Token::Keyword(_, word) | Token::Name(word) => quote(word),
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
            Symbol::OpenCurly => "{",
            Symbol::CloseCurly => "}",
            Symbol::Star => "*",
            Symbol::Plus => "+",
            Symbol::Minus => "-",
            Symbol::Slash => "/",
            Symbol::Percent => "%",
            Symbol::Concat => "||",
            Symbol::Coalesce => "??",
            Symbol::Equal => "=",
            Symbol::NotEqual => "!=",
            Symbol::Less => "<",
            Symbol::LessOrEqual => "<=",
            Symbol::Greater => ">",
            Symbol::GreaterOrEqual => ">=",
        }
    }
}
