//! A condition on its own: target conditions, job conditions, conditions of routes.
//!
//! The special conditions around it stay with their owners: what an empty text means, and that
//! `*` selects everything, differs between configurations and jobs.

use crate::check::{check_condition, check_route};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::evaluate::answer;
use crate::parser;
use crate::row::Row;
use crate::syntax::Expr;

/// A checked condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    expr: Expr,
    dialect: Dialect,
}

impl Condition {
    /// Reads what may stand behind `WHERE`.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, Error> {
        let expr = parser::parse_condition(text, dialect)?;
        Self::of_expr(expr, dialect)
    }

    /// Checks a tree that code has built.
    pub fn of_expr(mut expr: Expr, dialect: Dialect) -> Result<Self, Error> {
        if dialect.is_route() {
            check_route(&mut expr, dialect)?;
        } else {
            check_condition(&expr)?;
        }
        Ok(Self { expr, dialect })
    }

    /// A condition that needs no check.
    pub(crate) fn of_checked(expr: Expr, dialect: Dialect) -> Self {
        Self { expr, dialect }
    }

    /// The answer for a row; none for undefined.
    pub fn truth<R: Row + ?Sized>(&self, row: &R) -> Option<bool> {
        answer(&self.expr, row, self.dialect)
    }

    /// Whether the row is selected: undefined is not enough.
    pub fn matches<R: Row + ?Sized>(&self, row: &R) -> bool {
        self.truth(row) == Some(true)
    }

    /// The tree, for those who narrow a search with it.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}
