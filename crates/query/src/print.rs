//! Trees back to text, in one normal form: keywords in capitals, canonical names, brackets only
//! where they are needed. Parsing the text gives the same tree again.

use std::fmt::{self, Display, Formatter, Write};

use crate::condition::Condition;
use crate::lexer::{continues_word, starts_word};
use crate::syntax::{
    Aggregate, Arithmetic, Comparison, Expr, Item, Items, Literal, Output, Path, Query, Root, Step,
};
use crate::token::Keyword;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        if let Some(top) = self.select.top {
            write!(f, "TOP {top} ")?;
        }
        match &self.select.items {
            Items::Star => f.write_char('*')?,
            Items::List(items) => list(f, items, ", ")?,
        }
        write!(f, " FROM {}", self.source.name())?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if !self.group_by.is_empty() {
            f.write_str(" GROUP BY ")?;
            list(f, &self.group_by, ", ")?;
        }
        Ok(())
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.output {
            Output::Path(path) => write!(f, "{path}")?,
            Output::Aggregate(aggregate) => write!(f, "{aggregate}")?,
        }
        if let Some(alias) = &self.alias {
            f.write_str(" AS ")?;
            name(f, alias, Keyword::from_word(alias).is_none())?;
        }
        Ok(())
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(path) => write!(f, "{}({path})", self.function.name()),
            None => write!(f, "{}()", self.function.name()),
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.root != Root::Row {
            return part_of_message(f, self);
        }
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                // The first name must not read as a keyword or as the prefix `devices.`.
                Step::Name(first) if at == 0 => {
                    let bare = Keyword::from_word(first).is_none() && !first.eq_ignore_ascii_case("devices");
                    name(f, first, bare)?;
                }
                Step::Name(text) => {
                    f.write_char('.')?;
                    name(f, text, true)?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A property as it was written, or a path with its root in front.
fn part_of_message(f: &mut Formatter<'_>, path: &Path) -> fmt::Result {
    if let Some(name) = &path.shadow {
        return f.write_str(name);
    }
    // An element of the body needs no braces to be nothing else.
    let plain = path.steps.iter().any(|step| matches!(step, Step::Index(_)));
    let (open, close) = match path.root {
        Root::Row | Root::Application | Root::Change => ("", ""),
        _ if plain => ("$", ""),
        _ => ("{$", "}"),
    };
    f.write_str(open)?;
    f.write_str(match path.root {
        Root::Body => "body",
        Root::Twin => "twin",
        _ => "",
    })?;
    let mut inner = matches!(path.root, Root::Body | Root::Twin);
    for step in &path.steps {
        match step {
            Step::Name(name) if inner => write!(f, ".{name}")?,
            Step::Name(name) => f.write_str(name)?,
            Step::Index(index) => write!(f, "[{index}]")?,
        }
        inner = true;
    }
    f.write_str(close)
}

fn name(f: &mut Formatter<'_>, text: &str, may_be_bare: bool) -> fmt::Result {
    let word = text.starts_with(starts_word) && text.chars().all(continues_word);
    if may_be_bare && word { f.write_str(text) } else { write!(f, "[[{text}]]") }
}

fn list<T: Display>(f: &mut Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Undefined => f.write_str("undefined"),
            Literal::Null => f.write_str("null"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::String(text) => string(f, text),
        }
    }
}

fn string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        match c {
            '\'' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('\'')
}

/// How tightly a node binds; a child that binds less than its place demands gets brackets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Coalesce,
    Or,
    And,
    Not,
    Equality,
    Comparison,
    Sum,
    Product,
    Sign,
    Primary,
}

fn rank(expr: &Expr, route: bool) -> Rank {
    match expr {
        Expr::Coalesce { .. } => Rank::Coalesce,
        Expr::Or(_) => Rank::Or,
        Expr::And(_) => Rank::And,
        Expr::Not { .. } if route => Rank::Sign,
        Expr::Not { .. } => Rank::Not,
        Expr::Compare { op: Comparison::Equal | Comparison::NotEqual, .. } if route => Rank::Equality,
        Expr::Compare { .. } | Expr::In { .. } => Rank::Comparison,
        Expr::Arithmetic { op: Arithmetic::Add | Arithmetic::Subtract, .. } => Rank::Sum,
        Expr::Arithmetic { .. } => Rank::Product,
        Expr::Negate { .. } => Rank::Sign,
        Expr::Literal { .. } | Expr::Path(_) | Expr::Call { .. } => Rank::Primary,
    }
}

/// An expression at a place that demands a rank, by the precedence of routes or of queries.
struct At<'a> {
    least: Rank,
    expr: &'a Expr,
    route: bool,
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if rank(self.expr, self.route) < self.least {
            f.write_char('(')?;
            expression(f, self.expr, self.route)?;
            f.write_char(')')
        } else {
            expression(f, self.expr, self.route)
        }
    }
}

/// By the precedence of queries.
impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        expression(f, self, false)
    }
}

/// The normal form; it parses to an equal condition.
impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        expression(f, self.expr(), self.dialect().is_route())
    }
}

fn expression(f: &mut Formatter<'_>, expr: &Expr, route: bool) -> fmt::Result {
    let at = |least: Rank, expr| At { least, expr, route };
    match expr {
        Expr::Literal { value, .. } => write!(f, "{value}"),
        Expr::Path(path) => write!(f, "{path}"),
        Expr::Call { function, arguments, .. } => {
            write!(f, "{}(", function.name())?;
            list(f, &places(arguments, Rank::Coalesce, route), ", ")?;
            f.write_char(')')
        }
        // Without brackets the sign would become part of the literal.
        Expr::Negate { operand, .. } => match operand.as_literal() {
            Some(literal @ Literal::Number(_)) => write!(f, "-({literal})"),
            _ => write!(f, "-{}", at(Rank::Sign, operand)),
        },
        Expr::Arithmetic { op, left, right } => {
            let (left_rank, right_rank) = match op {
                Arithmetic::Add | Arithmetic::Subtract => (Rank::Sum, Rank::Product),
                _ => (Rank::Product, Rank::Sign),
            };
            write!(f, "{} {op} {}", at(left_rank, left), at(right_rank, right))
        }
        Expr::Compare { op, left, right } => {
            let (left_rank, right_rank) = match rank(expr, route) {
                _ if !route => (Rank::Sum, Rank::Sum),
                Rank::Equality => (Rank::Equality, Rank::Comparison),
                _ => (Rank::Comparison, Rank::Sum),
            };
            write!(f, "{} {op} {}", at(left_rank, left), at(right_rank, right))
        }
        Expr::In { operand, values, negated, .. } => {
            let word = if *negated { "NIN" } else { "IN" };
            write!(f, "{} {word} [", at(Rank::Sum, operand))?;
            list(f, values, ", ")?;
            f.write_char(']')
        }
        Expr::Not { operand, .. } => {
            write!(f, "NOT {}", at(if route { Rank::Sign } else { Rank::Not }, operand))
        }
        Expr::Coalesce { left, right } => {
            write!(f, "{} ?? {}", at(Rank::Coalesce, left), at(Rank::Or, right))
        }
        Expr::And(terms) => list(f, &places(terms, Rank::Not, route), " AND "),
        Expr::Or(terms) => list(f, &places(terms, Rank::And, route), " OR "),
    }
}

fn places(terms: &[Expr], least: Rank, route: bool) -> Vec<At<'_>> {
    terms.iter().map(|expr| At { least, expr, route }).collect()
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        })
    }
}
