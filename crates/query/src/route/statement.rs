//! A route of an edge: from where, under which condition, to where.

use std::fmt;

use super::condition::RouteCondition;
use super::sink::Sink;
use super::source::Source;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::parser;
use crate::syntax::{Expr, Literal};

/// `FROM source WHERE condition INTO sink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub source: Source,
    pub condition: RouteCondition,
    pub sink: Sink,
}

impl Route {
    /// Reads and checks a route.
    ///
    /// Other readers of this language stop at the first sink and never look at what stands
    /// behind it, so that a misplaced `WHERE` does nothing; here it is an error.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let statement = parser::parse_route(text)?;
        let source = Source::of_segments(&statement.source);
        let condition = match statement.condition {
            Some(expr) => RouteCondition::of_expr(expr, Dialect::EdgeRoute)?,
            None => RouteCondition::always(Dialect::EdgeRoute),
        };
        if source != Source::TwinChanges
            && let Some(span) = condition.change_asked()
        {
            return Err(Error::new(span, "a condition over messages", "\"TWIN_CHANGE_INCLUDES\"")
                .hint("Only FROM /twinChangeNotifications brings changes of twins"));
        }
        let sink = match statement.sink {
            parser::Target::Upstream => Sink::Upstream,
            parser::Target::Module { module, input } => Sink::Module { module, input },
        };
        Ok(Self { source, condition, sink })
    }
}

/// The normal form; it parses to an equal route.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FROM {}", self.source)?;
        if !matches!(self.condition.expr(), Expr::Literal { value: Literal::Bool(true), .. }) {
            write!(f, " WHERE {}", self.condition)?;
        }
        write!(f, " INTO {}", self.sink)
    }
}
