//! A condition on its own: target conditions, job conditions, later the conditions of routes.
//!
//! The special conditions around it stay with their owners: what an empty text means, and that
//! `*` selects everything, differs between configurations and jobs.

use std::fmt;

use crate::check::check_condition;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::evaluate::truth;
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
        let expr = parser::parse_condition(text)?;
        check_condition(&expr)?;
        Ok(Self { expr, dialect })
    }

    /// The answer for a row; none for undefined.
    pub fn truth<R: Row + ?Sized>(&self, row: &R) -> Option<bool> {
        truth(&self.expr, row)
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

/// The normal form; it parses to an equal condition.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}
