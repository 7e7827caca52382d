//! Rules that the grammar cannot say: what each source allows, what groups need, which
//! expressions can be conditions, how many arguments a function takes. Routes are checked more
//! closely, in [`kinds`]: what a message's properties are is known before one comes.

mod kinds;

use std::collections::HashSet;

pub(crate) use kinds::check_route;

use crate::error::{Error, quote};
use crate::position::Span;
use crate::syntax::{Expr, Function, Item, Items, Literal, Output, Query, Source};

pub(crate) fn check_query(query: &Query) -> Result<(), Error> {
    check_source(query)?;
    check_groups(query)?;
    check_names(query.select.list())?;
    match &query.filter {
        Some(filter) => check_condition(filter),
        None => Ok(()),
    }
}

fn check_source(query: &Query) -> Result<(), Error> {
    if query.source == Source::Jobs
        && let Some(item) = query.select.list().first()
    {
        return Err(Error::new(item.span, "*", found(item)).hint("FROM devices.jobs allows SELECT * only"));
    }
    match query.group_by.first() {
        Some(path) if query.source != Source::Devices => {
            Err(Error::new(path.span, "no GROUP BY", quote(&path.to_string()))
                .hint("GROUP BY exists FROM devices only"))
        }
        _ => Ok(()),
    }
}

fn check_groups(query: &Query) -> Result<(), Error> {
    if !query.is_aggregated() {
        return Ok(());
    }
    if query.select.items == Items::Star {
        // Only GROUP BY can have made it aggregated.
        let span = query.group_by.first().map_or(Span::NONE, |path| path.span);
        return Err(Error::new(span, "no GROUP BY behind SELECT *", "GROUP BY")
            .hint("Name the grouped properties and aggregates in SELECT"));
    }
    for item in query.select.list() {
        if let Output::Path(path) = &item.output
            && !query.group_by.contains(path)
        {
            return Err(Error::new(item.span, "an aggregate or a property of GROUP BY", found(item))
                .hint("Beside an aggregate, a property must be listed in GROUP BY"));
        }
    }
    Ok(())
}

fn check_names(items: &[Item]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for item in items {
        if !seen.insert(item.output_name()) {
            return Err(Error::new(item.span, "a new output name", quote(item.output_name()))
                .hint("Two items would have the same name in the result, rename one with AS"));
        }
    }
    Ok(())
}

fn found(item: &Item) -> String {
    quote(&match &item.output {
        Output::Path(path) => path.to_string(),
        Output::Aggregate(aggregate) => aggregate.to_string(),
    })
}

/// Checks an expression that stands where a condition is wanted.
pub(crate) fn check_condition(expr: &Expr) -> Result<(), Error> {
    match expr {
        Expr::And(terms) | Expr::Or(terms) => terms.iter().try_for_each(check_condition),
        Expr::Not { operand, .. } => check_condition(operand),
        // A property may hold true or false.
        Expr::Path(_) => Ok(()),
        Expr::Literal { value: Literal::Bool(_) | Literal::Undefined, .. } => Ok(()),
        Expr::Compare { .. } | Expr::In { .. } => check_value(expr),
        Expr::Call { function, .. } => {
            check_value(expr)?;
            if function.is_predicate() {
                return Ok(());
            }
            Err(Error::new(expr.span(), "a condition", format!("a value, the result of {}", function.name()))
                .hint(format!("Compare it with something, {}(...) = ...", function.name())))
        }
        Expr::Literal { value, .. } => Err(Error::new(expr.span(), "a condition", constant(value))),
        Expr::Coalesce { left, right } => {
            check_condition(left)?;
            check_condition(right)
        }
        Expr::Negate { .. } | Expr::Arithmetic { .. } => {
            Err(Error::new(expr.span(), "a condition", "a calculation").hint("Compare it with something"))
        }
    }
}

fn constant(value: &Literal) -> &'static str {
    match value {
        Literal::Undefined => "undefined",
        Literal::Null => "null",
        Literal::Bool(_) => "a boolean",
        Literal::Number(_) => "a number",
        Literal::String(_) => "a string",
    }
}

/// Checks an expression whose value is used by another.
fn check_value(expr: &Expr) -> Result<(), Error> {
    match expr {
        Expr::Literal { .. } | Expr::Path(_) => Ok(()),
        Expr::And(_) | Expr::Or(_) | Expr::Not { .. } => check_condition(expr),
        Expr::Negate { operand, .. } | Expr::In { operand, .. } => check_value(operand),
        Expr::Arithmetic { left, right, .. }
        | Expr::Compare { left, right, .. }
        | Expr::Coalesce { left, right } => {
            check_value(left)?;
            check_value(right)
        }
        Expr::Call { function, arguments, .. } => {
            check_arity(*function, arguments.len(), expr.span())?;
            arguments.iter().try_for_each(check_value)
        }
    }
}

fn check_arity(function: Function, count: usize, call: Span) -> Result<(), Error> {
    let arity = function.arity();
    if arity.contains(&count) {
        return Ok(());
    }
    let (least, most) = (arity.start(), arity.end());
    let plural = if *most == 1 { "" } else { "s" };
    let wanted = if least == most { most.to_string() } else { format!("{least} to {most}") };
    let expected = format!("{wanted} argument{plural} for {}", function.name());
    Err(Error::new(call, expected, count.to_string()))
}
