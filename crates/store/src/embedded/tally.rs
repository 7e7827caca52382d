//! Counting where no index helps: in the order of the table, which is the order on disk. In key
//! order each document would cost a page of its own.
//!
//! A document keeps its row for as long as it exists, so whoever is there during the whole count
//! is counted exactly once. Like a walk, a count is many short read transactions.

use std::sync::Arc;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Result, params, params_from_iter};

use super::index::Definition;
use super::narrow::{Clause, clause};
use super::plan::{Walk, plan};
use super::row::{self, COLUMNS};
use super::scan::WINDOW;
use crate::documents::{Narrow, Scan};

/// What one stretch of rows came to.
pub(super) struct Tally {
    pub(super) found: u64,
    pub(super) examined: u64,
    /// Where the next stretch begins; `None` at the end of the table.
    pub(super) next: Option<i64>,
}

/// Whether a count has to look at every document of its space anyway.
pub(super) fn looks_at_all(scan: &Scan, indexes: &Arc<Vec<Definition>>) -> bool {
    matches!(plan(scan, indexes), Walk::Range(None, None))
}

pub(super) fn tally(connection: &Connection, scan: &Scan, after: i64) -> Result<Tally> {
    let end: Option<i64> = connection
        .prepare_cached("SELECT id FROM documents WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2")?
        .query_row(params![after, WINDOW as i64 - 1], |row| row.get(0))
        .optional()?;
    let mut sql =
        format!("SELECT {COLUMNS} FROM documents d NOT INDEXED WHERE d.id > ? AND d.id <= ? AND d.space = ?");
    let space = i64::from(scan.space.number());
    let mut values: Vec<Sql> = vec![after.into(), end.unwrap_or(i64::MAX).into(), space.into()];
    match clause(&scan.narrow) {
        Clause::Open => {}
        Clause::Shut => return Ok(Tally { found: 0, examined: 0, next: None }),
        Clause::Sql(condition, bound) => {
            sql.push_str(" AND ");
            sql.push_str(&condition);
            values.extend(bound);
        }
    }
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut found, mut examined) = (0, 0);
    while let Some(row) = rows.next()? {
        let document = row::document(row)?;
        let wanted = match &scan.accept {
            Some(accept) => accept(&document),
            None => scan.narrow == Narrow::All || scan.narrow.meets(&document),
        };
        found += u64::from(wanted);
        examined += 1;
    }
    Ok(Tally { found, examined, next: end })
}
