//! Declared indexes: side tables of (values, group, name), kept by triggers, filled aside.
//!
//! A table beside the documents rather than an expression index, because it can be built a piece
//! at a time while everything goes on. A document that has not a primitive at every field is not
//! in it. Texts stand in it with their first [`TEXT_MAX`] characters.

use std::fmt::Write;
use std::sync::{Arc, PoisonError};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde_json::{Value, json};

use super::engine::Shared;
use super::narrow::{column, path_text, plain_integer};
use crate::documents::{Field, Literal, Misuse, Part, Space, Step};

/// Indexes at once; one more is a misuse.
pub(super) const INDEXES_MAX: usize = 16;
/// Fields of one index.
const FIELDS_MAX: usize = 4;
/// Characters of a text that an index keeps.
const TEXT_MAX: usize = 200;
/// Documents looked at, or entries removed, in one transaction.
const PIECE: i64 = 500;

const BUILDING: i64 = 0;
const COMPLETE: i64 = 1;
const DROPPING: i64 = 2;

/// How far an index is.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexState {
    pub space: Space,
    pub fields: Vec<Field>,
    /// Scans use it.
    pub complete: bool,
    /// Documents looked at while filling it.
    pub filled: u64,
}

/// What is asked of the writer.
pub(super) enum Declaration {
    Declare(Space, Vec<Field>),
    Drop(Space, Vec<Field>),
}

#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) id: u32,
    pub(super) space: Space,
    pub(super) fields: Vec<Field>,
    stage: i64,
    filled: u64,
}

impl Definition {
    pub(super) fn complete(&self) -> bool {
        self.stage == COMPLETE
    }

    fn values(&self) -> String {
        (0..self.fields.len()).map(|number| format!("v{number}, ")).collect()
    }
}

/// Whether the index is complete in the state that this transaction sees.
pub(super) fn is_complete(connection: &Connection, id: u32) -> Result<bool> {
    let stage: Option<i64> = connection
        .prepare_cached("SELECT stage FROM indexes WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(stage == Some(COMPLETE))
}

/// A literal as it stands in an index; `None` when an index does not help to find it.
pub(super) fn key_value(literal: &Literal) -> Option<Sql> {
    match literal {
        Literal::Text(text) if text.contains('\0') => None,
        Literal::Text(text) => Some(text.chars().take(TEXT_MAX).collect::<String>().into()),
        Literal::Number(number) if plain_integer(*number) => Some((*number).into()),
        Literal::Number(_) => None,
        Literal::Bool(truth) => Some(i64::from(*truth).into()),
    }
}

pub(super) fn states(definitions: &[Definition]) -> Vec<IndexState> {
    let known = definitions.iter().filter(|definition| definition.stage != DROPPING);
    known
        .map(|definition| IndexState {
            space: definition.space,
            fields: definition.fields.clone(),
            complete: definition.complete(),
            filled: definition.filled,
        })
        .collect()
}

/// The writer's side: declares, fills and removes.
pub(super) struct Builder {
    definitions: Arc<Vec<Definition>>,
    resting: bool,
}

impl Builder {
    pub(super) fn load(connection: &Connection, shared: &Shared) -> Result<Self> {
        let mut builder = Self { definitions: Arc::default(), resting: false };
        builder.reload(connection, shared)?;
        Ok(builder)
    }

    /// Takes over what is committed, for itself and for readers.
    pub(super) fn reload(&mut self, connection: &Connection, shared: &Shared) -> Result<()> {
        let mut all =
            connection.prepare_cached("SELECT id, space, fields, stage, filled FROM indexes ORDER BY id")?;
        let rows = all.query_map([], |row| {
            Ok(Definition {
                id: row.get(0)?,
                space: Space::new(row.get(1)?),
                fields: fields_from(&row.get::<_, String>(2)?),
                stage: row.get(3)?,
                filled: row.get::<_, i64>(4)? as u64,
            })
        })?;
        self.definitions = Arc::new(rows.collect::<Result<_>>()?);
        *shared.indexes.lock().unwrap_or_else(PoisonError::into_inner) = self.definitions.clone();
        Ok(())
    }

    /// Whether an index waits to be filled or removed.
    pub(super) fn has_work(&self) -> bool {
        !self.resting && self.definitions.iter().any(|definition| definition.stage != COMPLETE)
    }

    /// Stops until something was committed again: there was no room on the disk.
    pub(super) fn rest(&mut self) {
        self.resting = true;
    }

    pub(super) fn wake(&mut self) {
        self.resting = false;
    }

    pub(super) fn carry_out(
        &mut self,
        connection: &Connection,
        order: &Declaration,
    ) -> Result<Option<Misuse>> {
        self.resting = false;
        match order {
            Declaration::Declare(space, fields) => self.declare(connection, *space, fields),
            Declaration::Drop(space, fields) => {
                if let Some(index) = self.find(*space, fields) {
                    drop_triggers(connection, index.id)?;
                    connection.execute(
                        "UPDATE indexes SET stage = ?1 WHERE id = ?2",
                        params![DROPPING, index.id],
                    )?;
                }
                Ok(None)
            }
        }
    }

    fn find(&self, space: Space, fields: &[Field]) -> Option<&Definition> {
        let same =
            |index: &&Definition| index.space == space && index.fields == fields && index.stage != DROPPING;
        self.definitions.iter().find(same)
    }

    fn declare(&self, connection: &Connection, space: Space, fields: &[Field]) -> Result<Option<Misuse>> {
        if self.find(space, fields).is_some() {
            return Ok(None);
        }
        let misuse = |what: String| Ok(Some(Misuse { what }));
        if self.definitions.iter().filter(|index| index.stage != DROPPING).count() >= INDEXES_MAX {
            return misuse(format!("there are {INDEXES_MAX} indexes already; drop one first"));
        }
        if fields.is_empty() || fields.len() > FIELDS_MAX {
            return misuse(format!("an index has 1 to {FIELDS_MAX} fields"));
        }
        let mut parts = Vec::new();
        for field in fields {
            match field {
                Field::In(part, path) => match path_text(path) {
                    Some(path) => parts.push((*part, path)),
                    None => {
                        return misuse(format!("{field:?} cannot be indexed: letters, digits, _ and - only"));
                    }
                },
                Field::Group | Field::Name => return misuse(format!("{field:?} needs no index")),
            }
        }
        connection.execute(
            "INSERT INTO indexes (space, fields, stage, done_grp, done_name, filled) VALUES (?1, ?2, ?3, NULL, NULL, 0)",
            params![space.number(), fields_text(fields), BUILDING],
        )?;
        create(connection, connection.last_insert_rowid(), space, &parts)?;
        Ok(None)
    }

    /// One piece of the first unfinished index. Answers how many documents or entries it touched.
    pub(super) fn piece(&mut self, connection: &Connection) -> Result<u64> {
        match self.definitions.iter().find(|definition| definition.stage != COMPLETE) {
            Some(index) if index.stage == DROPPING => remove_piece(connection, index),
            Some(index) => fill_piece(connection, index),
            None => Ok(0),
        }
    }
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

fn create(connection: &Connection, id: i64, space: Space, parts: &[(Part, String)]) -> Result<()> {
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

fn drop_triggers(connection: &Connection, id: u32) -> Result<()> {
    connection.execute_batch(&format!(
        "DROP TRIGGER index_{id}_insert; DROP TRIGGER index_{id}_update; DROP TRIGGER index_{id}_delete;"
    ))
}

fn fill_piece(connection: &Connection, index: &Definition) -> Result<u64> {
    let parts: Vec<(Part, String)> = index
        .fields
        .iter()
        .filter_map(|field| match field {
            Field::In(part, path) => Some((*part, path_text(path)?)),
            Field::Group | Field::Name => None,
        })
        .collect();
    let done = "SELECT done_grp, done_name FROM indexes WHERE id = ?1";
    let (group, name): (Option<String>, Option<String>) =
        connection.query_row(done, [index.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let start = if group.is_some() { "(d.grp, d.name) > (?2, ?3)" } else { "?2 IS NULL AND ?3 IS NULL" };
    let window = format!("FROM documents d INDEXED BY documents_key WHERE d.space = ?1 AND {start}");
    let order = "ORDER BY d.grp, d.name";
    let space = index.space.number();
    let end: Option<(String, String)> = connection
        .prepare_cached(&format!("SELECT d.grp, d.name {window} {order} LIMIT 1 OFFSET {}", PIECE - 1))?
        .query_row(params![space, group, name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let until =
        if end.is_some() { "AND (d.grp, d.name) <= (?4, ?5)" } else { "AND ?4 IS NULL AND ?5 IS NULL" };
    let (end_group, end_name) = end.clone().unzip();
    let from = format!("{window} {until}");
    connection
        .prepare_cached(&format!(
            "INSERT OR IGNORE INTO index_{} {}",
            index.id,
            entry_sql("d", &parts, &from)
        ))?
        .execute(params![space, group, name, end_group, end_name])?;
    let stage = if end.is_some() { BUILDING } else { COMPLETE };
    connection.execute(
        "UPDATE indexes SET stage = ?2, done_grp = ?3, done_name = ?4, filled = filled + ?5 WHERE id = ?1",
        params![index.id, stage, end_group, end_name, if end.is_some() { PIECE } else { 0 }],
    )?;
    Ok(PIECE as u64)
}

fn remove_piece(connection: &Connection, index: &Definition) -> Result<u64> {
    let (id, values) = (index.id, index.values());
    let gone = connection.execute(
        &format!(
            "DELETE FROM index_{id} WHERE ({values} grp, name) IN
             (SELECT {values} grp, name FROM index_{id} LIMIT {PIECE})"
        ),
        [],
    )?;
    if gone == 0 {
        connection.execute_batch(&format!("DROP TABLE index_{id}"))?;
        connection.execute("DELETE FROM indexes WHERE id = ?1", [id])?;
    }
    Ok(gone as u64)
}

fn fields_text(fields: &[Field]) -> String {
    let steps = |path: &[Step]| -> Vec<Value> {
        let step = |step: &Step| match step {
            Step::Name(name) => json!(name),
            Step::Index(index) => json!(index),
        };
        path.iter().map(step).collect()
    };
    let field = |field: &Field| match field {
        Field::Group => json!("group"),
        Field::Name => json!("name"),
        Field::In(part, path) => json!([column(*part), steps(path)]),
    };
    Value::Array(fields.iter().map(field).collect()).to_string()
}

/// What this program cannot read it does not use: the index is then simply of no help.
fn fields_from(text: &str) -> Vec<Field> {
    let step = |step: &Value| match step {
        Value::String(name) => Some(Step::Name(name.clone())),
        other => Some(Step::Index(usize::try_from(other.as_u64()?).ok()?)),
    };
    let field = |field: &Value| {
        let part = Part::ALL.into_iter().find(|part| field[0] == column(*part))?;
        Some(Field::In(part, field[1].as_array()?.iter().map(step).collect::<Option<_>>()?))
    };
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    value.as_array().into_iter().flatten().map(field).collect::<Option<_>>().unwrap_or_default()
}
