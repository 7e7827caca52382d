//! Runs an expression over a row, in three-valued logic.
//!
//! What is not there is undefined, and undefined spreads:
//! - An operation with an undefined operand is undefined, and so is one whose operands are of
//!   the wrong kind. There are no conversions: `'5' = 5` is undefined, not false.
//! - Comparison, equality included, is between values of one primitive kind. `null` is such a
//!   kind: `x = null` holds for a stored null only, `x != null` is undefined for a string. Arrays
//!   and objects do not compare, not even with themselves.
//! - The one exception is the *word* `undefined`: `x = undefined` and `x != undefined` ask
//!   whether `x` is there, and always have an answer. A list of `IN` that contains the word
//!   asks the same.
//! - `AND` is false if any term is false, `OR` true if any is true, whatever is undefined
//!   beside it; `NOT` undefined is undefined. `WHERE` keeps only rows whose condition is true.
//!
//! Routes of an edge differ where it was found to be so: two values of a message's body that are
//! of different kinds are not equal, rather than undefined, and `x = undefined` asks nothing.
//!
//! Strings compare by code point, so ISO dates compare as dates. Every node is visited at most
//! once per row.

mod arithmetic;
mod call;
mod compare;

pub(crate) use arithmetic::{add, divide};

use crate::dialect::Dialect;
use crate::row::Row;
use crate::syntax::{Comparison, Expr, Function, Literal};
use crate::value::Value;

/// The value of an expression of a query for a row.
pub fn evaluate<'a, R: Row + ?Sized>(expr: &'a Expr, row: &'a R) -> Value<'a> {
    value(expr, row, Dialect::Twin)
}

/// The answer of a query's condition; none for undefined.
pub fn truth<R: Row + ?Sized>(expr: &Expr, row: &R) -> Option<bool> {
    answer(expr, row, Dialect::Twin)
}

/// The value of an expression for a row, by the rules of a dialect.
pub(crate) fn value<'a, R: Row + ?Sized>(expr: &'a Expr, row: &'a R, dialect: Dialect) -> Value<'a> {
    match expr {
        Expr::Literal { value, .. } => Value::of_literal(value),
        Expr::Path(path) => row.resolve(path),
        Expr::Call { function, arguments, .. } => {
            let values = arguments.iter().map(|argument| match value(argument, row, dialect) {
                // A property without a value is an empty text, a null of the body is none.
                Value::Null if *function == Function::Concat && argument.is_dynamic() => Value::Undefined,
                value => value,
            });
            let values: Vec<_> = values.collect();
            if dialect.is_route()
                && let ([argument], [Value::Undefined]) = (arguments.as_slice(), values.as_slice())
                && let Some(answer) = call::kind_of_undefined(*function, argument)
            {
                return Value::Bool(answer);
            }
            call::call(*function, values, dialect)
        }
        Expr::Negate { operand, .. } => arithmetic::negate(&value(operand, row, dialect)),
        Expr::Arithmetic { op, left, right } => {
            let (left, right) = (value(left, row, dialect), value(right, row, dialect));
            arithmetic::apply(*op, &left, &right, dialect.floats())
        }
        Expr::Compare { op, left, right } => Value::of_bool(comparison(*op, left, right, row, dialect)),
        Expr::In { operand, values, negated, .. } => {
            let found = is_in(&value(operand, row, dialect), values);
            Value::of_bool(found.map(|found| found != *negated))
        }
        Expr::Coalesce { left, right } => match value(left, row, dialect) {
            Value::Undefined => value(right, row, dialect),
            there => there,
        },
        Expr::Not { .. } | Expr::And(_) | Expr::Or(_) => Value::of_bool(answer(expr, row, dialect)),
    }
}

/// The answer of a condition by the rules of a dialect; none for undefined.
pub(crate) fn answer<R: Row + ?Sized>(expr: &Expr, row: &R, dialect: Dialect) -> Option<bool> {
    match expr {
        Expr::Not { operand, .. } => answer(operand, row, dialect).map(|value| !value),
        Expr::And(terms) => chain(terms, false, row, dialect),
        Expr::Or(terms) => chain(terms, true, row, dialect),
        // The word null; a null that a message brings is undefined here.
        Expr::Literal { value: Literal::Null, .. } if dialect.is_route() => Some(false),
        other => value(other, row, dialect).as_bool(),
    }
}

/// A chain ends with its decisive answer, false for `AND`, true for `OR`, as soon as a term
/// gives it.
fn chain<R: Row + ?Sized>(terms: &[Expr], decisive: bool, row: &R, dialect: Dialect) -> Option<bool> {
    let mut all = Some(!decisive);
    for term in terms {
        match answer(term, row, dialect) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => all = None,
        }
    }
    all
}

fn comparison<R: Row + ?Sized>(
    op: Comparison,
    left: &Expr,
    right: &Expr,
    row: &R,
    dialect: Dialect,
) -> Option<bool> {
    let asks_definedness = |side: &Expr| side.as_literal() == Some(&Literal::Undefined);
    let (left_value, right_value) = (value(left, row, dialect), value(right, row, dialect));
    if dialect == Dialect::EdgeRoute {
        return compare::compare(op, &left_value, &right_value).or_else(|| {
            let both = !left_value.is_undefined() && !right_value.is_undefined();
            let differ = both && (left.is_dynamic() || right.is_dynamic());
            match op {
                Comparison::Equal if differ => Some(false),
                Comparison::NotEqual if differ => Some(true),
                _ => None,
            }
        });
    }
    if asks_definedness(left) || asks_definedness(right) {
        let both_missing = left_value.is_undefined() && right_value.is_undefined();
        return match op {
            Comparison::Equal => Some(both_missing),
            Comparison::NotEqual => Some(!both_missing),
            _ => None,
        };
    }
    compare::compare(op, &left_value, &right_value)
}

/// `x IN [a, b]` is `x = a OR x = b`.
fn is_in(value: &Value<'_>, list: &[Literal]) -> Option<bool> {
    let mut answer = Some(false);
    for literal in list {
        let equal = match literal {
            Literal::Undefined => Some(value.is_undefined()),
            other => compare::compare(Comparison::Equal, value, &Value::of_literal(other)),
        };
        match equal {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}
