//! Walking documents, a window at a time.
//!
//! A window is one read transaction that looks at no more than [`WINDOW`] documents. Between two
//! windows nothing is held, and others get their turn.

use std::sync::Arc;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Result, params, params_from_iter};

use super::index::{Definition, is_complete};
use super::narrow::{Clause, clause};
use super::plan::{Walk, plan};
use super::row::{self, COLUMNS};
use crate::documents::{Document, Narrow, Position, Scan};

/// Documents looked at in one read transaction.
pub(super) const WINDOW: usize = 1000;
/// Groups looked for in one read transaction.
const PROBES: usize = 200;

/// What one window found.
#[derive(Default)]
pub(super) struct Window {
    pub(super) documents: Vec<Document>,
    pub(super) found: u64,
    pub(super) bytes: usize,
    pub(super) examined: usize,
    /// The last document looked at, or passed over.
    pub(super) at: Option<Position>,
    /// The page is full.
    pub(super) full: bool,
    /// The walk has reached the end.
    pub(super) ended: bool,
}

/// What a window may hold.
#[derive(Clone, Copy)]
pub(super) struct Allowance {
    pub(super) limit: usize,
    pub(super) bytes: usize,
    pub(super) examine: usize,
    /// Whether the page is still empty: one document always fits.
    pub(super) first: bool,
    /// Documents are counted, not carried.
    pub(super) count_only: bool,
}

/// A part of the key order: SQL behind `WHERE`, and its values.
struct Stretch {
    from: String,
    values: Vec<Sql>,
}

pub(super) fn window(
    connection: &Connection,
    scan: &Scan,
    indexes: &Arc<Vec<Definition>>,
    allowance: Allowance,
) -> Result<Window> {
    let mut walk = plan(scan, indexes);
    if let Walk::Index(id, _) = walk
        && !is_complete(connection, id)?
    {
        walk = plan(scan, &[]);
    }
    let clause = clause(&scan.narrow);
    let mut walker = Walker {
        connection,
        scan,
        allowance,
        window: Window { at: scan.after.clone(), ..Window::default() },
    };
    if clause == Clause::Shut {
        walk = Walk::Nothing;
    }
    match walk {
        Walk::Nothing => walker.window.ended = true,
        Walk::Groups(groups) => walker.groups(&groups, &clause)?,
        Walk::Index(id, values) => walker.index(id, values)?,
        Walk::Range(from, to) => {
            let stretch = range(scan, from, to);
            walker.window.ended = walker.stretch(&stretch, &clause)?;
        }
    }
    Ok(walker.window)
}

fn range(scan: &Scan, from: Option<String>, to: Option<String>) -> Stretch {
    let mut stretch = Stretch {
        from: "documents d INDEXED BY documents_key WHERE d.space = ?".to_owned(),
        values: vec![Sql::from(i64::from(scan.space.number()))],
    };
    match (&scan.after, from) {
        (Some(after), from) if from.as_ref().is_none_or(|from| *from <= after.group) => {
            stretch.from.push_str(" AND (d.grp, d.name) > (?, ?)");
            stretch.values.extend([after.group.clone().into(), after.name.clone().into()]);
        }
        (_, Some(from)) => {
            stretch.from.push_str(" AND (d.grp, d.name) >= (?, '')");
            stretch.values.push(from.into());
        }
        (_, None) => {}
    }
    if let Some(to) = to {
        stretch.from.push_str(" AND d.grp <= ?");
        stretch.values.push(to.into());
    }
    stretch
}

struct Walker<'a> {
    connection: &'a Connection,
    scan: &'a Scan,
    allowance: Allowance,
    window: Window,
}

impl Walker<'_> {
    fn groups(&mut self, groups: &[String], clause: &Clause) -> Result<()> {
        let after = self.scan.after.as_ref();
        let start = groups.partition_point(|group| after.is_some_and(|after| *group < after.group));
        for (probe, group) in groups[start..].iter().enumerate() {
            if probe == PROBES || self.left() == 0 {
                return Ok(());
            }
            let mut stretch = Stretch {
                from: "documents d INDEXED BY documents_key WHERE d.space = ? AND d.grp = ?".to_owned(),
                values: vec![Sql::from(i64::from(self.scan.space.number())), group.clone().into()],
            };
            if let Some(after) = after.filter(|after| after.group == *group) {
                stretch.from.push_str(" AND d.name > ?");
                stretch.values.push(after.name.clone().into());
            }
            if !self.stretch(&stretch, clause)? {
                return Ok(());
            }
            // A group without documents is passed over; who comes later came during the walk.
            if self.window.at.as_ref().is_none_or(|at| at.group < *group) {
                self.window.at = Some(Position { group: group.clone(), name: String::new() });
            }
        }
        self.window.ended = true;
        Ok(())
    }

    fn index(&mut self, id: u32, mut values: Vec<Sql>) -> Result<()> {
        let equal: String = (0..values.len()).map(|number| format!("i.v{number} = ? AND ")).collect();
        let mut behind = "1";
        if let Some(after) = &self.scan.after {
            behind = "(i.grp, i.name) > (?, ?)";
            values.extend([after.group.clone().into(), after.name.clone().into()]);
        }
        let (space, left) = (self.scan.space.number(), self.left());
        let sql = format!(
            "SELECT {COLUMNS} FROM index_{id} i CROSS JOIN documents d
             ON d.space = {space} AND d.grp = i.grp AND d.name = i.name
             WHERE {equal} {behind} ORDER BY i.grp, i.name LIMIT {left}"
        );
        let examined = self.rows(&sql, values)?;
        self.window.examined += examined;
        self.window.ended = examined < left && !self.window.full;
        Ok(())
    }

    /// Walks one stretch; answers whether it came to its end.
    fn stretch(&mut self, stretch: &Stretch, clause: &Clause) -> Result<bool> {
        const ORDER: &str = "ORDER BY d.grp, d.name";
        let left = self.left();
        let from = &stretch.from;
        let Clause::Sql(condition, bound) = clause else {
            let sql = format!("SELECT {COLUMNS} FROM {from} {ORDER} LIMIT {left}");
            let examined = self.rows(&sql, stretch.values.clone())?;
            self.window.examined += examined;
            return Ok(examined < left && !self.window.full);
        };
        let end: Option<Position> = self
            .connection
            .prepare_cached(&format!("SELECT d.grp, d.name FROM {from} {ORDER} LIMIT 1 OFFSET {}", left - 1))?
            .query_row(params_from_iter(&stretch.values), |row| {
                Ok(Position { group: row.get(0)?, name: row.get(1)? })
            })
            .optional()?;
        let mut values = stretch.values.clone();
        let mut until = "";
        if let Some(end) = &end {
            until = "AND (d.grp, d.name) <= (?, ?)";
            values.extend([end.group.clone().into(), end.name.clone().into()]);
            self.window.examined += left;
        } else {
            let count = format!("SELECT count(*) FROM {from}");
            let count: i64 = self
                .connection
                .prepare_cached(&count)?
                .query_row(params_from_iter(&stretch.values), |row| row.get(0))?;
            self.window.examined += count as usize;
        }
        values.extend(bound.iter().cloned());
        self.rows(&format!("SELECT {COLUMNS} FROM {from} {until} AND {condition} {ORDER}"), values)?;
        if self.window.full {
            return Ok(false);
        }
        let ended = end.is_none();
        self.window.at = end.or(self.window.at.take());
        Ok(ended)
    }

    /// Looks at each row; answers how many. Stops when the page is full.
    fn rows(&mut self, sql: &str, values: Vec<Sql>) -> Result<usize> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut examined = 0;
        while let Some(found) = rows.next()? {
            let document = row::document(found)?;
            if !self.look(document) {
                break;
            }
            examined += 1;
        }
        Ok(examined)
    }

    /// `false` when the document does not fit any more.
    fn look(&mut self, document: Document) -> bool {
        let wanted = match &self.scan.accept {
            Some(accept) => accept(&document),
            None => self.scan.narrow == Narrow::All || self.scan.narrow.meets(&document),
        };
        let window = &mut self.window;
        if wanted {
            let size = document.body.size();
            let first = self.allowance.first && window.found == 0;
            let over = window.found >= self.allowance.limit as u64
                || (!first && window.bytes + size > self.allowance.bytes);
            if over && !self.allowance.count_only {
                window.full = true;
                return false;
            }
            window.found += 1;
            window.bytes += size;
        }
        window.at = Some(Position { group: document.key.group.clone(), name: document.key.name.clone() });
        if wanted && !self.allowance.count_only {
            window.documents.push(document);
        }
        true
    }

    /// How many documents this window may still look at; at least one at its start.
    fn left(&self) -> usize {
        let most = self.allowance.examine.clamp(1, WINDOW);
        let few = self.scan.accept.is_none() && self.scan.narrow == Narrow::All && !self.allowance.count_only;
        let most = if few { most.min(self.allowance.limit.saturating_add(1)) } else { most };
        most.saturating_sub(self.window.examined)
    }
}

/// How many documents a space, or a group of it, has. Only keys are read.
pub(super) fn count_keys(connection: &Connection, scan: &Scan) -> Result<u64> {
    let space = scan.space.number();
    let count: i64 = match &scan.group {
        Some(group) => connection
            .prepare_cached("SELECT count(*) FROM documents WHERE space = ?1 AND grp = ?2")?
            .query_row(params![space, group], |row| row.get(0))?,
        None => connection
            .prepare_cached("SELECT count(*) FROM documents WHERE space = ?1")?
            .query_row([space], |row| row.get(0))?,
    };
    Ok(count as u64)
}
