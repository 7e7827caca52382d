//! Advice for what people write out of habit from other languages.

use crate::dialect::Dialect;
use crate::token::{Symbol, Token};

/// What to do instead, for a token that cannot stand where it stands.
pub(super) fn for_token(token: &Token, dialect: Dialect) -> Option<&'static str> {
    match token {
        Token::Word(word) => for_word(word),
        Token::Name(name) => for_name(name, dialect),
        Token::Symbol(Symbol::OpenRound) if dialect.is_route() => Some("Functions are called as NAME(...)"),
        Token::Symbol(Symbol::OpenCurly) => Some("Braces stand around one system property, {$messageId}"),
        Token::Symbol(Symbol::OpenRound) => {
            Some("Functions are called as NAME(...), lists stand in square brackets")
        }
        _ => None,
    }
}

/// Advice about a name of a route where none can stand.
pub(super) fn for_name(name: &str, dialect: Dialect) -> Option<&'static str> {
    let is = |word: &str| name.eq_ignore_ascii_case(word);
    if dialect == Dialect::EdgeRoute && (is("IN") || is("NIN")) {
        return Some("IN exists in the hub's routes only, write x = 'a' OR x = 'b'");
    }
    if is("IN") || is("NIN") || is("LIKE") || is("BETWEEN") || is("IS") || is("CASE") {
        return for_word(name);
    }
    None
}

pub(super) fn for_word(word: &str) -> Option<&'static str> {
    const HABITS: [(&str, &str); 20] = [
        ("ORDER", "ORDER BY is not part of the query language"),
        ("HAVING", "HAVING is not part of the query language"),
        ("JOIN", "JOIN is not part of the query language"),
        ("UNION", "UNION is not part of the query language"),
        ("LIMIT", "Use TOP behind SELECT to limit the result"),
        ("OFFSET", "Pages continue with a continuation token, OFFSET does not exist"),
        ("DISTINCT", "Use GROUP BY to list each value once"),
        ("LIKE", "Use STARTS_WITH, ENDS_WITH or CONTAINS instead of LIKE"),
        ("BETWEEN", "Use two comparisons, x >= 1 AND x <= 9, instead of BETWEEN"),
        ("IS", "Use IS_DEFINED(x), IS_NULL(x) or x = null"),
        ("CASE", "CASE is not part of the query language"),
        ("UPDATE", "Queries only read, a job or a twin update changes twins"),
        ("DELETE", "Queries only read"),
        ("INSERT", "Queries only read"),
        ("SELECT", "A query is one SELECT, and there are no queries inside queries"),
        ("FROM", "A name that is also a word of the language stands in double brackets, [[from]]"),
        ("WHERE", "WHERE stands once, behind FROM and before GROUP BY"),
        ("GROUP", "GROUP BY stands at the end, a name group stands in double brackets, [[group]]"),
        ("TOP", "TOP stands directly behind SELECT, a name top stands in double brackets, [[top]]"),
        ("AS", "AS names an item of SELECT, a name as stands in double brackets, [[as]]"),
    ];
    HABITS.into_iter().find(|(habit, _)| habit.eq_ignore_ascii_case(word)).map(|(_, hint)| hint)
}
