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
//! Strings compare by code point, so ISO dates compare as dates. Every node is visited at most
//! once per row.

mod arithmetic;
mod call;
mod compare;

pub(crate) use arithmetic::{add, divide};

use crate::row::Row;
use crate::syntax::{Comparison, Expr, Literal};
use crate::value::Value;

/// The value of an expression for a row.
pub fn evaluate<'a, R: Row + ?Sized>(expr: &'a Expr, row: &'a R) -> Value<'a> {
    match expr {
        Expr::Literal { value, .. } => Value::of_literal(value),
        Expr::Path(path) => row.resolve(path),
        Expr::Call { function, arguments, .. } => {
            call::call(*function, arguments.iter().map(|argument| evaluate(argument, row)).collect())
        }
        Expr::Negate { operand, .. } => arithmetic::negate(&evaluate(operand, row)),
        Expr::Arithmetic { op, left, right } => {
            arithmetic::apply(*op, &evaluate(left, row), &evaluate(right, row))
        }
        Expr::Compare { op, left, right } => Value::of_bool(comparison(*op, left, right, row)),
        Expr::In { operand, values, negated, .. } => {
            let found = is_in(&evaluate(operand, row), values);
            Value::of_bool(found.map(|found| found != *negated))
        }
        Expr::Not { .. } | Expr::And(_) | Expr::Or(_) => Value::of_bool(truth(expr, row)),
    }
}

/// The answer of a condition; none for undefined.
pub fn truth<R: Row + ?Sized>(expr: &Expr, row: &R) -> Option<bool> {
    match expr {
        Expr::Not { operand, .. } => truth(operand, row).map(|value| !value),
        Expr::And(terms) => chain(terms, false, row),
        Expr::Or(terms) => chain(terms, true, row),
        other => evaluate(other, row).as_bool(),
    }
}

/// A chain ends with its decisive answer, false for `AND`, true for `OR`, as soon as a term
/// gives it.
fn chain<R: Row + ?Sized>(terms: &[Expr], decisive: bool, row: &R) -> Option<bool> {
    let mut answer = Some(!decisive);
    for term in terms {
        match truth(term, row) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

fn comparison<R: Row + ?Sized>(op: Comparison, left: &Expr, right: &Expr, row: &R) -> Option<bool> {
    let asks_definedness = |side: &Expr| side.as_literal() == Some(&Literal::Undefined);
    let (left_value, right_value) = (evaluate(left, row), evaluate(right, row));
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
