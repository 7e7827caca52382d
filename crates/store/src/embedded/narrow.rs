//! A condition as SQL that lets through at least every document that meets it.
//!
//! What differs between SQLite and the meaning of [`Narrow`], and what is done about it:
//!
//! - `true` is 1 and missing is `NULL`: lets more through.
//! - Texts with NUL inside may be cut by functions: order comparisons include equality, since a
//!   cut never changes which of two texts is greater, and literals with NUL do not narrow.
//! - Integers compare exactly there, as `f64` here, and SQLite's own reading of fractions may be
//!   off in the last place: literals that are no plain integers get a small range.
//! - Paths are text inside the statement: names of letters, digits, `_` and `-` only; others do
//!   not narrow.

use std::fmt::Write;

use rusqlite::types::Value as Sql;

use crate::documents::{Comparison, Field, Literal, Narrow, Part, Step};

/// A condition in SQL and the values for its question marks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clause {
    /// Lets everything through.
    Open,
    /// Lets nothing through.
    Shut,
    Sql(String, Vec<Sql>),
}

/// Conditions deeper or longer than this do not narrow.
const DEPTH_MAX: usize = 16;
const LITERALS_MAX: usize = 500;
/// Integers up to here are the same in both worlds.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

pub(super) fn clause(narrow: &Narrow) -> Clause {
    match compile(narrow, DEPTH_MAX) {
        Clause::Sql(_, values) if values.len() > LITERALS_MAX => Clause::Open,
        clause => clause,
    }
}

fn compile(narrow: &Narrow, depth: usize) -> Clause {
    let Some(depth) = depth.checked_sub(1) else { return Clause::Open };
    match narrow {
        Narrow::All => Clause::Open,
        Narrow::Nothing => Clause::Shut,
        Narrow::And(parts) => join(parts, depth, " AND ", &Clause::Open, &Clause::Shut),
        Narrow::Or(parts) => join(parts, depth, " OR ", &Clause::Shut, &Clause::Open),
        Narrow::Compare { field, comparison, literal } => {
            on(field, |place| compare(place, *comparison, literal))
        }
        Narrow::Prefix { field, start } => on(field, |place| prefix(place, start)),
        Narrow::OneOf { field, literals } => {
            let equal = |literal: &Literal| Narrow::Compare {
                field: field.clone(),
                comparison: Comparison::Equal,
                literal: literal.clone(),
            };
            if literals.len() > LITERALS_MAX {
                return Clause::Open;
            }
            let parts: Vec<Narrow> = literals.iter().map(equal).collect();
            join(&parts, depth, " OR ", &Clause::Shut, &Clause::Open)
        }
        Narrow::Holds { field: Field::In(part, path), literal } => {
            let Some(path) = path_text(path) else { return Clause::Open };
            match compare("value", Comparison::Equal, literal) {
                Clause::Sql(inner, values) => {
                    let column = column(*part);
                    let sql = format!("EXISTS (SELECT 1 FROM json_each(d.{column}, '{path}') WHERE {inner})");
                    Clause::Sql(sql, values)
                }
                other => other,
            }
        }
        Narrow::Holds { .. } => Clause::Shut,
    }
}

/// `unit` joined with anything is that other thing; `end` joined with anything is `end`.
fn join(parts: &[Narrow], depth: usize, word: &str, unit: &Clause, end: &Clause) -> Clause {
    let mut sql = String::new();
    let mut all = Vec::new();
    for part in parts {
        match compile(part, depth) {
            clause if clause == *end => return clause,
            Clause::Sql(text, values) => {
                sql.push_str(if sql.is_empty() { "(" } else { word });
                sql.push_str(&text);
                all.extend(values);
            }
            _ => {}
        }
    }
    if sql.is_empty() {
        return unit.clone();
    }
    sql.push(')');
    Clause::Sql(sql, all)
}

fn on(field: &Field, make: impl FnOnce(&str) -> Clause) -> Clause {
    match field {
        Field::Group => make("d.grp"),
        Field::Name => make("d.name"),
        Field::In(part, path) => match path_text(path) {
            Some(path) => make(&format!("(d.{} ->> '{path}')", column(*part))),
            None => Clause::Open,
        },
    }
}

fn compare(place: &str, comparison: Comparison, literal: &Literal) -> Clause {
    let (low, high) = match literal {
        Literal::Text(text) if text.contains('\0') => return Clause::Open,
        Literal::Text(text) => (Sql::from(text.clone()), Sql::from(text.clone())),
        Literal::Bool(truth) => (Sql::from(i64::from(*truth)), Sql::from(i64::from(*truth))),
        Literal::Number(number) if number.is_nan() => return Clause::Shut,
        Literal::Number(number) => match plain_integer(*number) {
            true => (Sql::from(*number), Sql::from(*number)),
            false => (Sql::from(lower(*number)), Sql::from(higher(*number))),
        },
    };
    match comparison {
        Comparison::Equal if low == high => Clause::Sql(format!("{place} = ?"), vec![low]),
        Comparison::Equal => Clause::Sql(format!("{place} BETWEEN ? AND ?"), vec![low, high]),
        Comparison::Less | Comparison::LessOrEqual => Clause::Sql(format!("{place} <= ?"), vec![high]),
        Comparison::Greater | Comparison::GreaterOrEqual => Clause::Sql(format!("{place} >= ?"), vec![low]),
    }
}

fn prefix(place: &str, start: &str) -> Clause {
    if start.contains('\0') {
        return Clause::Open;
    }
    let (mut sql, mut values) = (format!("({place} >= ?"), vec![Sql::from(start.to_owned())]);
    if let Some(end) = behind(start) {
        let _ = write!(sql, " AND {place} < ?");
        values.push(end.into());
    }
    sql.push(')');
    Clause::Sql(sql, values)
}

/// The first text behind all that begin with `start`; `None` when there is none.
pub(super) fn behind(start: &str) -> Option<String> {
    let mut chars: Vec<char> = start.chars().collect();
    while let Some(last) = chars.pop() {
        // The step over the surrogates, which are no characters.
        let next = if last == '\u{d7ff}' { 0xe000 } else { u32::from(last) + 1 };
        if let Some(next) = char::from_u32(next) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

pub(super) fn plain_integer(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < EXACT_MAX
}

fn lower(number: f64) -> f64 {
    number.next_down().next_down().next_down().next_down()
}

fn higher(number: f64) -> f64 {
    number.next_up().next_up().next_up().next_up()
}

pub(super) fn column(part: Part) -> &'static str {
    match part {
        Part::Identity => "identity",
        Part::Tags => "tags",
        Part::Desired => "desired",
        Part::Reported => "reported",
    }
}

/// A path that can stand inside a quoted literal.
pub(super) fn path_text(path: &[Step]) -> Option<String> {
    let mut text = String::from("$");
    for step in path {
        match step {
            _ if !step.is_plain() => return None,
            Step::Name(name) => drop(write!(text, ".\"{name}\"")),
            Step::Index(index) => drop(write!(text, "[{index}]")),
        }
    }
    Some(text)
}
