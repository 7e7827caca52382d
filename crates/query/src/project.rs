//! From a row of the source to a row of the result.

use serde_json::{Map, Value as Json};

use crate::check::check_query;
use crate::error::Error;
use crate::evaluate::truth;
use crate::hash::fnv1a;
use crate::parser;
use crate::row::Row;
use crate::syntax::{Items, Output, Query};

impl Query {
    /// Reads and checks a query.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let query = parser::parse_query(text)?;
        check_query(&query)?;
        Ok(query)
    }

    /// Whether `WHERE` keeps the row: undefined is not enough.
    pub fn matches<R: Row + ?Sized>(&self, row: &R) -> bool {
        self.filter.as_ref().is_none_or(|filter| truth(filter, row) == Some(true))
    }

    /// What the result shows of a row; a value that is not there leaves its key out.
    ///
    /// Aggregates have no value for one row: queries with
    /// [`is_aggregated`](Query::is_aggregated) go through
    /// [`Aggregation`](crate::Aggregation) instead.
    pub fn project<R: Row + ?Sized>(&self, row: &R) -> Map<String, Json> {
        let items = match &self.select.items {
            Items::Star => return row.whole(),
            Items::List(items) => items,
        };
        let mut shown = Map::new();
        for item in items {
            if let Output::Path(path) = &item.output
                && let Some(value) = row.resolve(path).into_json()
            {
                shown.insert(item.output_name().to_owned(), value);
            }
        }
        shown
    }

    /// A fingerprint of what the query says: blanks, comments, prefixes and the case of keywords
    /// do not change it. A continuation token carries it, to be refused for another query.
    pub fn hash(&self) -> u64 {
        fnv1a(self.to_string().as_bytes())
    }
}
