//! Queries that answer with one row per group: `GROUP BY`, `COUNT()` and its relatives.
//!
//! Rows stream through; what is kept are the groups, and both their number and their bytes are
//! bounded. Groups come out in the order of their keys, so that the pages of a result fit
//! together however the rows came in. A missing value is a group of its own, apart from null.
//!
//! `AVG` and `SUM` look at numbers only, `MIN` and `MAX` at numbers and strings, where every
//! number is below every string. Whatever else a row has there, or lacks, does not count.
//! Where nothing counted, the key is left out of the result; `COUNT()` is then 0.

mod accumulator;
mod key;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use accumulator::Accumulator;
use key::Key;

use crate::limits::AGGREGATE_BYTES_MAX;
use crate::row::Row;
use crate::syntax::{Output, Query};

/// A running aggregation. [`push`](Aggregation::push) every row of the source, then
/// [`finish`](Aggregation::finish).
#[derive(Debug)]
pub struct Aggregation<'q> {
    query: &'q Query,
    groups: BTreeMap<Vec<Key>, Vec<Accumulator>>,
    groups_max: usize,
    bytes: usize,
}

/// An aggregation that would need more memory than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    #[error("the result has more than {groups_max} groups, narrow it with WHERE")]
    TooManyGroups { groups_max: usize },
    #[error("the values to group by exceed {bytes_max} bytes, narrow the query with WHERE")]
    TooManyBytes { bytes_max: usize },
}

impl<'q> Aggregation<'q> {
    pub fn new(query: &'q Query, groups_max: usize) -> Self {
        let mut groups = BTreeMap::new();
        if query.group_by.is_empty() {
            // Without GROUP BY there is one group, even if no row comes.
            groups.insert(Vec::new(), accumulators(query));
        }
        Self { query, groups, groups_max, bytes: 0 }
    }

    /// Takes a row of the source; one that `WHERE` does not keep is ignored.
    pub fn push<R: Row + ?Sized>(&mut self, row: &R) -> Result<(), AggregateError> {
        if !self.query.matches(row) {
            return Ok(());
        }
        let key: Vec<Key> = self.query.group_by.iter().map(|path| Key::new(row.resolve(path))).collect();
        if !self.groups.contains_key(&key) {
            if self.groups.len() >= self.groups_max {
                return Err(AggregateError::TooManyGroups { groups_max: self.groups_max });
            }
            let states_bytes = self.query.select.list().len() * size_of::<Accumulator>();
            self.bytes += key.iter().map(Key::bytes).sum::<usize>() + states_bytes;
        }
        let states = self.groups.entry(key).or_insert_with(|| accumulators(self.query));
        let aggregates = self.query.select.list().iter().filter_map(|item| match &item.output {
            Output::Aggregate(aggregate) => Some(aggregate),
            Output::Path(_) => None,
        });
        for (state, aggregate) in states.iter_mut().zip(aggregates) {
            let before = state.bytes();
            match &aggregate.argument {
                Some(path) => state.take(row.resolve(path)),
                None => state.count(),
            }
            self.bytes = (self.bytes + state.bytes()).saturating_sub(before);
        }
        if self.bytes > AGGREGATE_BYTES_MAX {
            return Err(AggregateError::TooManyBytes { bytes_max: AGGREGATE_BYTES_MAX });
        }
        Ok(())
    }

    /// The rows of the result, `TOP` applied.
    pub fn finish(self) -> Vec<Map<String, Json>> {
        let query = self.query;
        let top = query.select.top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
        self.groups.into_iter().take(top).map(|(key, states)| show(query, &key, states)).collect()
    }
}

fn accumulators(query: &Query) -> Vec<Accumulator> {
    let functions = query.select.list().iter().filter_map(|item| match &item.output {
        Output::Aggregate(aggregate) => Some(aggregate.function),
        Output::Path(_) => None,
    });
    functions.map(Accumulator::new).collect()
}

/// One group as a row of the result.
fn show(query: &Query, key: &[Key], states: Vec<Accumulator>) -> Map<String, Json> {
    let mut row = Map::new();
    let mut states = states.into_iter();
    for item in query.select.list() {
        let value = match &item.output {
            Output::Aggregate(_) => states.next().and_then(Accumulator::finish),
            Output::Path(path) => query
                .group_by
                .iter()
                .zip(key)
                .find(|(grouped, _)| *grouped == path)
                .and_then(|(_, key)| key.to_json()),
        };
        if let Some(value) = value {
            row.insert(item.output_name().to_owned(), value);
        }
    }
    row
}
