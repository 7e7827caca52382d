//! Queries over devices and modules: from text to a page of rows.
//!
//! The store is asked for documents that can match ([`narrow`]), the evaluator of the query
//! language decides ([`row`]), and pages continue behind the last document shown ([`token`]).

mod narrow;
mod page;
mod row;
mod token;

pub use narrow::narrow;
pub use page::{QueryPage, QueryRequest, SearchError, Searcher};
pub use row::DocumentRow;
