//! The condition of a route, ready to be asked.

use std::fmt;

use super::row::{Parts, RouteRow};
use super::truth::Truth;
use crate::condition::Condition;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::position::Span;
use crate::syntax::{Expr, Function, Literal, Root};

/// A checked condition over messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCondition {
    condition: Condition,
    wants_body: bool,
}

impl RouteCondition {
    /// Reads a condition of [`Dialect::HubRoute`] or [`Dialect::EdgeRoute`]. An empty text is a
    /// condition that is always undefined.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, Error> {
        Condition::parse(text, dialect).map(Self::of)
    }

    /// Checks a tree that code has built.
    pub fn of_expr(expr: Expr, dialect: Dialect) -> Result<Self, Error> {
        Condition::of_expr(expr, dialect).map(Self::of)
    }

    /// What stands where nobody wrote a condition: `true`.
    pub fn always(dialect: Dialect) -> Self {
        let expr = Expr::Literal { value: Literal::Bool(true), span: Span::NONE };
        Self { condition: Condition::of_checked(expr, dialect), wants_body: false }
    }

    fn of(condition: Condition) -> Self {
        let wants_body = any(condition.expr(), &|expr| {
            expr.as_path().is_some_and(|path| matches!(path.root, Root::Body | Root::Change))
        });
        Self { condition, wants_body }
    }

    pub fn evaluate(&self, message: &dyn RouteRow) -> Truth {
        self.condition.truth(&Parts { message, dialect: self.condition.dialect() }).into()
    }

    /// Whether it looks into the body, so that whoever has many routes reads a body only for those.
    pub fn wants_body(&self) -> bool {
        self.wants_body
    }

    pub fn dialect(&self) -> Dialect {
        self.condition.dialect()
    }

    pub fn expr(&self) -> &Expr {
        self.condition.expr()
    }

    /// Where it asks for changes of twins, if it does.
    pub(super) fn change_asked(&self) -> Option<Span> {
        let mut found = None;
        visit(self.condition.expr(), &mut |expr| {
            if let Expr::Call { function: Function::TwinChangeIncludes, span, .. } = expr
                && found.is_none()
            {
                found = Some(*span);
            }
        });
        found
    }
}

impl fmt::Display for RouteCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

fn any(expr: &Expr, wanted: &dyn Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    visit(expr, &mut |expr| found |= wanted(expr));
    found
}

/// Every node, in the order of the text. A tree is not deeper than the parser lets it be.
fn visit(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    match expr {
        Expr::Literal { .. } | Expr::Path(_) => {}
        Expr::Call { arguments: terms, .. } | Expr::And(terms) | Expr::Or(terms) => {
            terms.iter().for_each(|term| visit(term, see));
        }
        Expr::Negate { operand, .. } | Expr::Not { operand, .. } | Expr::In { operand, .. } => {
            visit(operand, see);
        }
        Expr::Arithmetic { left, right, .. }
        | Expr::Compare { left, right, .. }
        | Expr::Coalesce { left, right } => {
            visit(left, see);
            visit(right, see);
        }
    }
}
