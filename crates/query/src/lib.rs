//! The query language over twins and messages: parse, check, evaluate.
//!
//! A text becomes a typed tree ([`Query`] or [`Condition`]), which runs over anything that is a
//! [`Row`]. The tree is public, so that a store can narrow its search with it; the evaluator here
//! has the last word on what matches.
//!
//! ```
//! use serde_json::json;
//! use skerry_query::Query;
//!
//! let query = Query::parse("SELECT deviceId FROM devices WHERE tags.floor > 2")?;
//! let twin = json!({"deviceId": "d1", "tags": {"floor": 3}});
//! assert!(query.matches(&twin));
//! assert_eq!(query.project(&twin)["deviceId"], "d1");
//! # Ok::<(), skerry_query::Error>(())
//! ```
//!
//! Conditions of message routes are the same language in another [`Dialect`]; [`route`] has them
//! and the routes of an edge.
//!
//! This crate does no IO and knows no clock. No text makes it panic or overflow the stack, and
//! evaluation visits each node of the tree at most once per row.
#![forbid(unsafe_code)]

mod aggregate;
mod check;
mod condition;
mod dialect;
mod error;
mod evaluate;
mod hash;
mod lexer;
pub mod limits;
mod names;
mod number;
mod parser;
mod position;
mod print;
mod project;
pub mod route;
mod row;
mod suggest;
pub mod syntax;
mod token;
mod value;

pub use aggregate::{AggregateError, Aggregation};
pub use condition::Condition;
pub use dialect::Dialect;
pub use error::Error;
pub use evaluate::{evaluate, truth};
pub use number::Number;
pub use position::{Position, Span};
pub use route::{Origin, Route, RouteCondition, RouteRow, Sink, Truth};
pub use row::Row;
pub use syntax::{Expr, Path, Query, ResultKind, Source, Step};
pub use value::Value;

/// Reads and checks a query; the same as [`Query::parse`].
pub fn parse(text: &str) -> Result<Query, Error> {
    Query::parse(text)
}

/// Reads and checks a condition over twins.
pub fn parse_condition(text: &str) -> Result<Condition, Error> {
    Condition::parse(text, Dialect::Twin)
}
