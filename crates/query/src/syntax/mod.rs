//! The typed tree of a query: what the parser makes, the evaluator runs, and the store reads to
//! narrow its own search. Everything is public and plain, so that another crate can match on it.
//!
//! A tree from the parser is at most [`limits::DEPTH_MAX`](crate::limits::DEPTH_MAX) levels
//! deep, so walking it by recursion is safe.
//!
//! A search may be narrowed by any term of a top [`Expr::And`], as long as it keeps all rows for
//! which the term is true: missing is not null, kinds do not mix, and `x = undefined` wants rows
//! without `x`. [`Query::matches`] then decides.

mod expr;
mod function;
mod path;
mod query;

pub use expr::{Arithmetic, Comparison, Expr, Literal};
pub use function::Function;
pub use path::{Path, Root, Step};
pub use query::{Aggregate, AggregateFunction, Item, Items, Output, Query, ResultKind, Select, Source};
