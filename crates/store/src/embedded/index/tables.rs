//! The side table of an index, its triggers, and the pieces of filling and removing it.

use std::fmt::Write;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{BUILDING, COMPLETE, Definition, TEXT_MAX};
use crate::documents::{Field, Part, Space};
use crate::embedded::narrow::{column, path_text};

/// Documents looked at, or entries removed, in one transaction while nobody waits.
const PIECE: i64 = 2000;
/// The same while somebody does.
const PIECE_BUSY: i64 = 100;

fn piece(busy: bool) -> i64 {
    if busy { PIECE_BUSY } else { PIECE }
}

/// The parts and paths of an index; every field has them, or it could not have been declared.
fn places(fields: &[Field]) -> Vec<(Part, String)> {
    let place = |field: &Field| match field {
        Field::In(part, path) => Some((*part, path_text(path)?)),
        Field::Group | Field::Name => None,
    };
    fields.iter().filter_map(place).collect()
}

/// The value at a path of a row's column, as the index keeps it.
fn value_sql(row: &str, part: Part, path: &str) -> String {
    let place = format!("{row}.{}", column(part));
    format!(
        "CASE json_type({place}, '{path}') WHEN 'text' THEN substr({place} ->> '{path}', 1, {TEXT_MAX})
         WHEN 'object' THEN NULL WHEN 'array' THEN NULL ELSE {place} ->> '{path}' END"
    )
}

/// `SELECT values, key FROM row` for a row that has all values.
fn entry_sql(row: &str, parts: &[(Part, String)], from: &str) -> String {
    let (mut values, mut names, mut present) = (String::new(), String::new(), String::new());
    for (number, (part, path)) in parts.iter().enumerate() {
        let _ = write!(values, "{} AS v{number}, ", value_sql(row, *part, path));
        let _ = write!(names, "e.v{number}, ");
        let _ = write!(present, "{}e.v{number} IS NOT NULL", if number == 0 { "" } else { " AND " });
    }
    format!(
        "SELECT {names}e.grp, e.name FROM (SELECT {values}{row}.grp AS grp, {row}.name AS name {from}) e WHERE {present}"
    )
}

pub(super) fn create(connection: &Connection, id: i64, space: Space, fields: &[Field]) -> Result<()> {
    let parts = &places(fields);
    let space = space.number();
    let columns: String = (0..parts.len()).map(|number| format!("v{number}, ")).collect();
    let same: String = parts
        .iter()
        .enumerate()
        .map(|(number, (part, path))| format!("v{number} = {} AND ", value_sql("OLD", *part, path)))
        .collect();
    let watched: Vec<&str> = parts.iter().map(|(part, _)| column(*part)).collect();
    let changed: Vec<String> = watched.iter().map(|name| format!("OLD.{name} IS NOT NEW.{name}")).collect();
    let (watched, changed) = (watched.join(", "), changed.join(" OR "));
    let put = format!("INSERT OR IGNORE INTO index_{id} {};", entry_sql("NEW", parts, ""));
    let remove = format!("DELETE FROM index_{id} WHERE {same} grp = OLD.grp AND name = OLD.name;");
    connection.execute_batch(&format!(
        "CREATE TABLE index_{id} ({columns} grp TEXT, name TEXT, PRIMARY KEY ({columns} grp, name)) WITHOUT ROWID;
         CREATE TRIGGER index_{id}_insert AFTER INSERT ON documents WHEN NEW.space = {space}
             BEGIN {put} END;
         CREATE TRIGGER index_{id}_update AFTER UPDATE OF {watched} ON documents
             WHEN NEW.space = {space} AND ({changed}) BEGIN {remove} {put} END;
         CREATE TRIGGER index_{id}_delete AFTER DELETE ON documents WHEN OLD.space = {space}
             BEGIN {remove} END;"
    ))
}

pub(super) fn drop_triggers(connection: &Connection, id: u32) -> Result<()> {
    connection.execute_batch(&format!(
        "DROP TRIGGER index_{id}_insert; DROP TRIGGER index_{id}_update; DROP TRIGGER index_{id}_delete;"
    ))
}

/// One piece in the order of the table, which is the order on disk; the entries of a piece go in
/// sorted. A document keeps its row while it is changed, and rows that come later have the
/// triggers, so a walk over the rows misses nobody.
pub(super) fn fill_piece(connection: &Connection, index: &Definition, busy: bool) -> Result<u64> {
    let piece = piece(busy);
    let parts = places(&index.fields);
    let done: i64 =
        connection.query_row("SELECT done FROM indexes WHERE id = ?1", [index.id], |row| row.get(0))?;
    let end: Option<i64> = connection
        .prepare_cached("SELECT id FROM documents WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2")?
        .query_row([done, piece - 1], |row| row.get(0))
        .optional()?;
    let from = "FROM documents d NOT INDEXED WHERE d.space = ?1 AND d.id > ?2 AND d.id <= ?3";
    let entries = entry_sql("d", &parts, from);
    let (id, values) = (index.id, index.values());
    connection
        .prepare_cached(&format!("INSERT OR IGNORE INTO index_{id} {entries} ORDER BY {values} grp, name"))?
        .execute(params![index.space.number(), done, end.unwrap_or(i64::MAX)])?;
    let stage = if end.is_some() { BUILDING } else { COMPLETE };
    connection.execute(
        "UPDATE indexes SET stage = ?2, done = ?3, filled = filled + ?4 WHERE id = ?1",
        params![index.id, stage, end.unwrap_or(done), if end.is_some() { piece } else { 0 }],
    )?;
    Ok(piece as u64)
}

pub(super) fn remove_piece(connection: &Connection, index: &Definition, busy: bool) -> Result<u64> {
    let piece = piece(busy);
    let (id, values) = (index.id, index.values());
    let gone = connection.execute(
        &format!(
            "DELETE FROM index_{id} WHERE ({values} grp, name) IN
             (SELECT {values} grp, name FROM index_{id} LIMIT {piece})"
        ),
        [],
    )?;
    if gone == 0 {
        connection.execute_batch(&format!("DROP TABLE index_{id}"))?;
        connection.execute("DELETE FROM indexes WHERE id = ?1", [id])?;
    }
    Ok(gone as u64)
}
